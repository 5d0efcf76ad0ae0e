"""How well the ratios of stacks are known with other numbers and lengths of slices.

``python -m tests.benchmarks.slicings [SETS]`` brings up the servers of five stacks in each of six sets, unless given,
and loads them in turn by every slicing, in random order. It prints, as a table in Markdown, how much a server's value
spreads from one set to the next once what stacks and sets have in common is taken out, and takes seven minutes.
"""

import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from common.catalog.sizes import Size
from common.cli.parameters import StackParameters
from common.console import Terminal
from common.host.run_lock import hold_run_lock
from common.records.load import Setup
from common.records.run import Design, Slicing
from common.runtimes.base import RunningServer
from common.runtimes.candidates import Candidate
from common.tables import markdown_table
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.campaign.manifest import RunIdentity
from loadtests.campaign.stopping import exactly
from loadtests.cli.parameters import LoadParameters
from loadtests.experiments.loadtest import begin_loadtest
from loadtests.statistics.variance import spread
from loadtests.windows.sliced import SHORT, SKIPPED_S, measure_round

STACKS = "raw_asgi,starlette,fastapi,falcon,flask"
SETS = 6
SEED = 1
FEWER = Slicing(passes=24, most_passes=36, slice_s=0.10, skipped_s=SKIPPED_S)
MORE = Slicing(passes=48, most_passes=72, slice_s=0.06, skipped_s=SKIPPED_S)
SLICINGS = (FEWER, SHORT, MORE)


@dataclass(frozen=True, slots=True)
class _Tried:
    """What was measured by one slicing."""

    values: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    """Requests per CPU-second of each cell, by set."""
    took_s: list[float] = field(default_factory=list)


def main() -> int:
    """Measure the same servers by every slicing, and print how much their values spread by each."""
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else SETS
    terminal, size, asked = Terminal(), Size(vcpu=1.0), StackParameters(framework=STACKS)
    runtime = asked.parse_runtime()
    begin = begin_loadtest(
        asked.candidates(runtime, size=size),
        load=LoadParameters().parse(),
        size=size,
        runtime=runtime,
        design=Design.SLICED,
        rounds=sets,
        stopping=exactly(sets),
        messages=terminal.messages,
    )
    identity = RunIdentity.new("slicings", SEED)
    tried = [_Tried() for _ in SLICINGS]
    with hold_run_lock(identity.id):
        experiment, subjects = begin(identity)
        for number in range(1, sets + 1):
            with _up(subjects, experiment.run.setup) as running:
                _measure(running, experiment.run.setup, number, tried)
            terminal.say(f"set {number}/{sets}")
    rows = [_row(slicing, one) for slicing, one in zip(SLICINGS, tried, strict=True)]
    terminal.write(markdown_table(("slices", "spread of a value", "s a set", "sets"), rows, left={"slices"}))
    return 0


@contextmanager
def _up(subjects: Mapping[str, Candidate], setup: Setup) -> Iterator[dict[str, RunningServer]]:
    """Bring up fresh servers of all stacks."""
    with ExitStack() as servers:
        running = {
            name: servers.enter_context(one.start(setup.size, cores=setup.server_cores))
            for name, one in subjects.items()
        }
        for server in running.values():
            server.wait_until_ready()
        yield running


def _measure(running: Mapping[str, RunningServer], setup: Setup, number: int, tried: list[_Tried]) -> None:
    """Load the servers by each slicing, in random order, and add what was measured."""
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
