"""The precision of comparisons with other numbers and lengths of slices.

``python -m tests.benchmarks.slicings [SETS]`` brings up the servers of five stacks in each of six sets, unless given,
and loads them in turn with every slicing, in random order. It prints, as a table in Markdown, how much a server's value
spreads from one set to the next once what stacks and sets have in common is taken out, and takes seven minutes.
"""

import random
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from common.cli.parameters import StackParameters
from common.console import Terminal
from common.records.load import Setup
from common.records.run import Slicing
from common.runtimes.running_server import RunningServer
from common.tables import markdown_table
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.statistics.spread import spread
from loadtests.windows.sliced import SKIPPED_S, measure_round, slicing_for
from tests.benchmarks.rounds import prepared, servers_up

STACKS = "raw_asgi,starlette,fastapi,falcon,flask"
SETS = 6
LONGER = Slicing(passes=24, most_passes=36, slice_s=0.10, skipped_s=SKIPPED_S)
SLICINGS = (LONGER, slicing_for(1.0, servers=13), slicing_for(1.0, servers=2))
"""Longer slices, those of a load test of the default stacks, and those of one of few stacks."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """The results of one slicing."""

    values: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    """Requests per CPU-second of each cell, by set."""
    took_s: list[float] = field(default_factory=list)


def main() -> int:
    """Measure the same servers with every slicing, and print how much their values spread with each."""
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else SETS
    terminal, tried = Terminal(), [_Tried() for _ in SLICINGS]
    with prepared("slicings", StackParameters(framework=STACKS), sets, terminal) as (experiment, subjects):
        for number in range(1, sets + 1):
            with servers_up(subjects, experiment.run.setup) as running:
                _measure(running, experiment.run.setup, number, tried)
            terminal.say(f"set {number}/{sets}")
    rows = [_row(slicing, one) for slicing, one in zip(SLICINGS, tried, strict=True)]
    terminal.write(markdown_table(("slices", "spread of a value", "s a set", "sets"), rows, left={"slices"}))
    return 0


def _measure(running: Mapping[str, RunningServer], setup: Setup, number: int, tried: list[_Tried]) -> None:
    """Load the servers with each slicing, in random order, and add the results to ``tried``."""
    order = list(enumerate(SLICINGS))
    random.Random(number).shuffle(order)  # noqa: S311 -- not for secrets
    for place, slicing in order:
        began_s = time.perf_counter()
        loads = measure_round(list(running.values()), setup, slicing, seed=f"{number}/{place}")
        tried[place].took_s.append(time.perf_counter() - began_s)
        for cell, load in zip(running, loads, strict=True):
            if (rate := requests_per_cpu_s(load)) is not None:
                tried[place].values[cell][number] = rate


def _row(slicing: Slicing, tried: _Tried) -> tuple[str, ...]:
    seen, sets = spread(tried.values), len(tried.took_s)
    known = "-" if seen is None else f"{seen.servers:.2%}"
    return f"{slicing.passes} x {slicing.slice_s:g} s", known, f"{sum(tried.took_s) / sets:.1f}", str(sets)


if __name__ == "__main__":
    sys.exit(main())
