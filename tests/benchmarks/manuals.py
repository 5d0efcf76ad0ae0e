"""Our apps against the examples of the frameworks' own manuals, in requests per CPU-second.

``python -m tests.benchmarks.manuals [--python=3.13] [FRAMEWORK ...]`` loads every app beside its manual's example, on
the default server, in sliced rounds of the process runtime, and prints a table in Markdown. Frameworks that cannot run
on this Python are left out. Exit status 1 where an app certainly reaches less than ``ENOUGH`` of its manual's example.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.catalog.frameworks import frameworks
from common.records.summary import Interval
from loadtests.analysis.outcome import between
from tests.benchmarks.loading import load

EXAMPLES = Path(__file__).with_name("manual_examples")
ENOUGH = 0.97
TOGETHER = 7
"""Frameworks in one run, each with its example: a fast and a slow one twice as controls, all up at once in a round."""


def main() -> int:
    """Print the ratio of each app to its manual's example; 1 where one is certainly below ``ENOUGH``."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.manuals", description=__doc__)
    parser.add_argument("frameworks", nargs="*", metavar="FRAMEWORK", help="the apps to compare (default: all)")
    parser.add_argument("--python", help="the Python to run them on (default: this one)")
    given = parser.parse_args()
    names = given.frameworks or sorted(file.stem for file in EXAMPLES.glob("[!_]*.py"))
    options = [f"--python={given.python}"] if given.python else []
    short = False
    print("| framework | server | ours / manual's | 95 % interval | rounds |")  # noqa: T201
    print("| --- | --- | ---: | ---: | ---: |", flush=True)  # noqa: T201
    for first in range(0, len(names), TOGETHER):
        for stack, ratio in measured(names[first : first + TOGETHER], options):
            assert ratio.low is not None
            assert ratio.high is not None
            name, _, server = stack.partition("+")
            short = short or ratio.high < ENOUGH
            bounds = f"{ratio.low:.3f} to {ratio.high:.3f}"
            print(f"| {name} | {server} | {ratio.estimate:.3f} | {bounds} | {ratio.n} |", flush=True)  # noqa: T201
    return int(short)


def measured(names: Sequence[str], options: Sequence[str]) -> Iterator[tuple[str, Interval]]:
    """Yield the stack of each framework, and the ratio of its rate to that of its manual's example."""
    with tempfile.TemporaryDirectory(prefix="manuals-") as temporary:
        place = Path(temporary)
        examples = [str(example_folder(name, place)) for name in names]
        pairs = load([*names, *examples], place, *options)
        cells = {cell.partition("+")[0]: cell for pair in pairs for cell in (pair.a, pair.b)}
        for name in names:
            ours, theirs = cells.get(name), cells.get(f"{name}-local")
            pair = between(pairs, ours, theirs) if ours and theirs else None
            if ours and pair and pair.ratio:
                yield ours, pair.ratio


def example_folder(name: str, place: Path) -> Path:
    """Make the folder of a framework with its manual's example as the app, and return it."""
    folder = place / name
    shutil.copytree(frameworks()[name].folder, folder)
    shutil.copyfile(EXAMPLES / f"{name}.py", folder / "app.py")
    shutil.copyfile(EXAMPLES / "_startproject.py", folder / "startproject.py")  # for those of Django
    return folder


if __name__ == "__main__":
    sys.exit(main())
