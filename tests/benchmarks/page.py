"""The time to write a report of 10,000 windows, to show its first content, and to sort 360 rows.

``python -m tests.benchmarks.page [TIMES]`` does each of these that many times, 9 unless given, and prints a table in
Markdown. It takes about a minute and needs Debian's Chromium.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from selenium import webdriver

from common.console import Terminal
from common.tables import markdown_table
from loadtests.campaign.store import RunFolder
from loadtests.page.writing import report
from tests.support.browsers import browser
from tests.support.pages import ROWS, large_run, page_of_three_sizes, ranked_rows, write_run
from tests.support.waiting import wait_until

TIMES = 9
FIRST_CONTENT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
SORT = (
    "const since = performance.now(); document.querySelector('th[data-sort=rate] button').click();"
    "document.body.offsetHeight; return performance.now() - since"
)
"""Sorts the table, lays the page out again, and returns how many milliseconds that took."""


def main() -> int:
    """Time each of the three, and print the medians and ranges."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    with tempfile.TemporaryDirectory() as place, browser() as chrome:
        file = Path(place) / "report.html"
        folder = write_run(Path(place) / "run", large_run())
        written_s = [_written_s(folder, file) for _ in range(times)]
        shown_s = list(_shown_s(chrome, file, times))
        file.write_text(report(ranked_rows()))
        chrome.get(file.as_uri())
        sorted_s = [chrome.execute_script(SORT) / 1000 for _ in range(times)]
    rows = [
        ("report of 10,000 windows written", written_s),
        ("its first content shown", shown_s),
        (f"{ROWS} rows sorted", sorted_s),
    ]
    table = [(name, f"{statistics.median(s):.2f}", f"{min(s):.2f} to {max(s):.2f}", str(len(s))) for name, s in rows]
    Terminal().write(markdown_table(("what", "median, s", "range, s", "n"), table, left={"what"}))
    return 0


def _written_s(folder: RunFolder, file: Path) -> float:
    since_s = time.perf_counter()
    file.write_text(report(page_of_three_sizes(folder)))
    return time.perf_counter() - since_s


def _shown_s(chrome: webdriver.Chrome, file: Path, times: int) -> Iterator[float]:
    for _ in range(times):
        chrome.get(file.as_uri())
        wait_until(lambda: chrome.execute_script(FIRST_CONTENT) is not None)
        yield chrome.execute_script(FIRST_CONTENT) / 1000


if __name__ == "__main__":
    sys.exit(main())
