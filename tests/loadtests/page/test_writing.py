"""The page is one file that fetches nothing, whatever names it has to show."""

import base64
import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from loadtests.page.writing import downloads, report, table_csv
from tests.support.pages import RATES, ROWS, large_run, load_test, page_of, page_of_three_sizes, write_run

HOSTILE = ("<script>alert(1)</script>+u", "\u202eright to left\u202c+u", f"{'long' * 50}+g", "\"quoted\" & 'so'+g")


class Parser(HTMLParser):
    """Collects what a page would load or run, and its visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts: list[dict[str, str | None]] = []
        self.handlers: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note addresses, scripts and handlers."""
        given = dict(attrs)
        if tag == "script":
            self.scripts.append(given)
        self.addresses += [value for name, value in attrs if name in {"src", "href", "action", "srcset"} and value]
        self.handlers += [name for name in given if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


def _parsed(text: str) -> Parser:
    parser = Parser()
    parser.feed(text)
    return parser


def test_the_page_fetches_nothing() -> None:
    text = report(page_of())
    parsed = _parsed(text)
    assert all(address.startswith(("data:", "#")) for address in parsed.addresses)
    assert all("src" not in script for script in parsed.scripts)
    assert not re.search(r"@import|url\(|\bfetch\(|XMLHttpRequest|https?://(?!www\.w3\.org/2000/svg)", text)


def test_ranks_under_another_scenario_than_hello_name_it_and_give_no_ratios_of_rates() -> None:
    text = report(page_of(load_test(scenario="mixed")))
    assert ">rank under mixed</th>" in text
    assert '"pairs":[]' in text
    assert "Every window of fast+u under mixed" in text
    assert "under" not in re.findall(r'data-sort="rank">([^<]*)', report(page_of()))[0]


def test_hostile_names_appear_as_text() -> None:
    text = report(page_of(load_test(dict.fromkeys(HOSTILE, 10_000))))
    parsed = _parsed(text)
    assert len(parsed.scripts) == 2, "the page's own data and its own script"
    assert not parsed.handlers
    assert "<script>alert(1)</script>+u" in parsed.text
    assert all(name in parsed.text for name in HOSTILE)


def test_every_stack_is_in_the_table_without_any_script() -> None:
    body = report(page_of()).split("<tbody>")[1].split("</tbody>")[0]
    assert body.count("<tr") == len(RATES)
    assert "1&ndash;2" in body
    assert "alike+u" in body


def test_a_column_that_was_not_measured_is_left_out_and_names_its_command() -> None:
    text = report(page_of())
    assert 'data-key="start"' not in text
    assert "Not measured: p99 ms at 50 %, image MB, start s, idle MB (make latency, make sizes, make startup" in text


def test_the_table_comes_after_two_sentences_and_before_everything_else() -> None:
    before, table, after = report(page_of()).partition('<table id="stacks"')
    lead = before.partition('class="lead"')[2]
    assert "alike+u lead the frameworks" in lead
    assert lead.partition("</section>")[0].count("<p>") == 1
    assert table
    assert "Can this run be trusted?" in after
    assert "trusted" not in before


def test_a_stack_says_its_figures_neighbours_and_rates_before_its_hashes() -> None:
    part = report(page_of()).partition('id="stack-fast-u-process"')[2].partition('class="stack"')[0]
    places = [part.index(word) for word in ("Rank: 1 to 2 of 3 frameworks", "CPU µs/request", "equivalent within 5%",
                                            "req/s per vCPU (95 % interval)", "lock, SHA-256")]  # fmt: skip
    assert places == sorted(places)


def test_the_data_are_inside_the_page_and_agree_with_it() -> None:
    page = page_of()
    files = {one.name: base64.b64decode(one.address.partition("base64,")[2]) for one in downloads(page)}
    figures = json.loads(files["figures.json"])
    assert {one["subject"]["framework"] for one in figures} == {name.split("+")[0] for name in RATES}
    rows = list(csv.DictReader(files["table.csv"].decode().splitlines()))
    assert [row["stack"] for row in rows] == [row.subject.name for row in page.rows]
    assert float(rows[0]["rate"]) == page.rows[0].values["rate"].estimate
    assert json.loads(files["figures.schema.json"])["type"] == "array"
    assert json.loads(files["manifests.json"])[0]["id"] == page.sources.runs[0].run.id
    windows = list(csv.DictReader(files["windows.csv"].decode().splitlines()))
    assert len(windows) == 8 * len(RATES)
    assert all(None not in {*window, *window.values()} for window in windows), "a cell too many or too few"


def test_no_name_becomes_a_formula_in_a_spreadsheet() -> None:
    page = page_of(load_test({"=1+1": 10_000, "b+g": 5_000}))
    assert "\n'=1+1," in table_csv(page.rows)


def test_the_same_runs_give_the_same_page() -> None:
    assert report(page_of()) == report(page_of())


@pytest.mark.usefixtures("untraced")
def test_ten_thousand_windows_make_a_page_of_less_than_two_megabytes(tmp_path: Path) -> None:
    page = page_of_three_sizes(write_run(tmp_path / "run", large_run()))
    (run,) = page.sources.runs
    assert (len(run.visits) > 10_000, len(page.rows)) == (True, ROWS)
    assert len(report(page).encode()) < 2e6


def test_notes_name_the_columns_whose_figures_are_not_the_newest() -> None:
    said = _parsed(report(page_of())).text
    assert 'The columns "µs over floor" and "p99 ms, closed loop" are of the load test that gives the' in said
    assert "every other figure is the newest valid one of its kind." in said
    unranked = _parsed(report(page_of(load_test(scenario="mixed")))).text
    assert (
        "Every figure is the newest valid one of its kind; different columns may come from different runs." in unranked
    )
    assert "The columns" not in unranked


def test_notes_name_the_columns_of_the_load_test_also_without_a_floor() -> None:
    assert 'The columns "µs over floor"' in _parsed(report(page_of(load_test({"a+u": 20_000, "b+u": 10_000})))).text
