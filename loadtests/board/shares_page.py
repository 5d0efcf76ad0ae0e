"""What published runs say of how much of a request is the framework: in the README, and on a page of its own. Pure.

Nothing is written unless a published run is of a scenario that does some work.
"""

import itertools
import statistics
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.records.run import LoadRun
from common.records.share import Share
from common.tables import markdown_table, markdown_text
from loadtests.analysis.formatting import MISSING
from loadtests.analysis.shares import HELLO, shares_of
from loadtests.analysis.together import Repeated
from loadtests.board.published import between_markers, published_folders, published_series
from loadtests.board.shares import (
    HEADINGS,
    IN_WORDS,
    LEFT,
    NOT_COUNTED,
    by_scenario,
    cells,
    decided,
    percentage,
    ranges,
    title,
)

BEGIN = "<!-- shares: begin; written by make publish -->"
END = "<!-- shares: end -->"
NAME = "does-the-framework-matter.md"
QUESTION = "Does the framework matter?"
LINK = f"[{QUESTION}]({NAME}) How much of a request is the framework, by what the request does.\n"
WIDTH = 120
METHOD = """## How it is measured

Every framework serves the same contract, written as its manual would, and so does a bare app without any: the floor.
Framework and app are what a stack takes beyond the floor on the same server in the same scenario. Their share is
computed within rounds, in which fresh servers of all stacks take short turns, so that what the machine does cancels.
Driver and JSON are what the floor takes beyond its `hello`, by the rates of two runs. Every interval is a 95 % interval
that holds for other runs on this machine; [method](method.md) says how far.

## What it leaves out

PostgreSQL's own CPU time, which is spent on other cores; the network; and your own code, which makes every share
smaller. An ORM counts as the framework's where its manual uses one. A framework that brings its own server has no
floor, and so no share.

## Measure it yourself

`make loadtest` with `SCENARIO=hello`, then with `SCENARIO=order`, and `make shares`. `FRAMEWORK=./my-app,raw_asgi`
measures an app of your own beside the floor.
"""


@dataclass(frozen=True, kw_only=True)
class PublishedShares:
    """The shares of the published runs of one runtime and size, and the first of these runs that does some work."""

    shares: Sequence[Share]
    run: LoadRun


def published_shares(published: Path) -> PublishedShares | None:
    """Return the shares of the published runs, Docker's before processes'; ``None`` if none is of work."""
    manifests = [folder.run() for folders in published_folders(published).values() for folder in folders]
    if not any(isinstance(run, LoadRun) and _does_work(run) for run in manifests):
        return None
    tests = [Repeated.of(series) for series in published_series(published)]
    for first in tests:
        alike = [test for test in tests if _is_alike(test.run, first.run)]
        if _does_work(first.run) and (shares := _of_working_stacks(shares_of(alike))):
            return PublishedShares(shares=shares, run=first.run)
    return None


def _of_working_stacks(shares: Sequence[Share]) -> list[Share]:
    """Return the shares of the stacks that do work in some scenario, if one of them is a framework's."""
    split = [share for share in shares if share.scenario in IN_WORDS]
    working = {share.cell for share in split if share.scenario != HELLO}
    known = any(share.scenario != HELLO for share in decided(split))
    return [share for share in split if share.cell in working] if known else []


def _is_alike(a: LoadRun, b: LoadRun) -> bool:
    return (a.runtime, a.setup.size) == (b.runtime, b.setup.size)


def _does_work(run: LoadRun) -> bool:
    return run.setup.load.scenario in IN_WORDS.keys() - {HELLO}


def with_shares(readme: str, found: PublishedShares | None) -> str:
    """Return ``readme`` with its table of shares between its markers; as it is if there are none."""
    if found is None:
        return readme
    of_work = {name: said for name, said in ranges(found.shares).items() if name != HELLO}
    said = next(iter(of_work.values()))
    lines = [
        "## How much of a request is the framework?",
        "",
        _filled(f"{said[0].upper()}{said[1:]}. {NOT_COUNTED}."),
        f"[{QUESTION}](docs/{NAME})",
        "",
        _by_scenario_table(found.shares),
        "\n".join(_pictures(found.shares, "docs/")[:1]),
        "",
    ]
    return between_markers(BEGIN, END, readme, "\n".join(lines))


def with_link(index: str, found: PublishedShares | None) -> str:
    """Return the list of pages with the page that ``page_of`` returns; as it is if there is none."""
    return index if found is None else between_markers(BEGIN, END, index, LINK)


def page_of(found: PublishedShares) -> str:
    """Return ``docs/does-the-framework-matter.md``, whose first sentence is the answer."""
    run, machine = found.run, found.run.machine
    where = f"{machine.processor}, {machine.cores} cores, {run.runtime} runtime"
    measured = f"The framework's share of the server's CPU time, measured {run.started_at:%Y-%m-%d} on {where}."
    parts = [
        f"# {QUESTION}\n",
        f"{_filled(_answer(found.shares))}\n",
        f"{BEGIN}\n",
        _by_scenario_table(found.shares),
        f"{_filled(measured)}\n",
        "\n".join(_pictures(found.shares, "")) + "\n",
        *_tables(found.shares),
        f"{END}\n",
        METHOD,
    ]
    return "\n".join(parts)


def _filled(text: str) -> str:
    return "\n".join(map(markdown_text, textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)))


def _answer(shares: Sequence[Share]) -> str:
    """Return how the shares change with what a request does, if they do, and between which they are."""
    known = [decided(of) for of in by_scenario(shares).values()]
    medians = [statistics.median(share.share.estimate for share in of if share.share) for of in known if of]
    falling = all(later < earlier for earlier, later in itertools.pairwise(medians)) and len(medians) > 1
    said = "; ".join(ranges(shares).values())
    return f"{'The less, the more a request does' if falling else 'Whatever a request does'}: {said}. {NOT_COUNTED}."


def _by_scenario_table(shares: Sequence[Share]) -> str:
    """Return a row for each stack with a share, and a column for each scenario."""
    scenarios = by_scenario(shares)
    of_stack = defaultdict[str, dict[str, Share]](dict)
    for share in shares:
        if share.share is not None:
            of_stack[share.cell][share.scenario] = share
    headings = ("stack", "version", *(_heading(name) for name in scenarios))
    rows = [
        (cell, next(iter(of.values())).version or MISSING, *(percentage(of.get(name)) for name in scenarios))
        for cell, of in of_stack.items()
        if of.keys() - {HELLO}
    ]
    return markdown_table(headings, rows, left={"stack", "version"})


def _heading(scenario: str) -> str:
    return IN_WORDS[scenario].removeprefix("a request ").removeprefix("that ")


def _pictures(shares: Sequence[Share], folder: str) -> list[str]:
    """Return the picture of each scenario in which something is known besides the floor's ``hello``."""
    return [
        f"![{title(name)}]({folder}pictures/shares-{name}.svg)"
        for name, of in by_scenario(shares).items()
        if name != HELLO and any(share.share is not None for share in of)
    ]


def _tables(shares: Sequence[Share]) -> Iterator[str]:
    """Yield the parts in microseconds for each scenario."""
    for name, of in by_scenario(shares).items():
        yield f"## {markdown_text(_heading(name).capitalize())}\n"
        yield markdown_table(HEADINGS, map(cells, of), left=LEFT)
