"""The effect of bursts of other work on a load test: on its ratios, its rates and its decisions.

``python -m tests.benchmarks.disturbed [RUNS]`` makes that many default load tests of six stacks, 10 unless given, while
another process uses a quarter of one core in bursts, on a core drawn anew for each; before every third of them, one
run without it. It prints how the two kinds compare. Ten take eighty minutes on two cores.
"""

import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from math import exp, log, sqrt
from pathlib import Path

from common.project import ROOT
from common.records.run import LoadRun
from common.records.summary import Summary
from common.records.window import Window
from loadtests.analysis.comparison import better_of
from loadtests.analysis.values import by_cell, values_of
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.store import RunFolder

STACKS = "raw_asgi,aiohttp,starlette,fastapi,flask,django"
RUNS = 10
QUIET_EVERY = 3
BURST_S = 0.5
SHARE = 0.25


class Made:
    """A finished load test: what it decided, and its values by cell and round."""

    def __init__(self, folder: Path) -> None:
        run, visits = RunFolder(folder=folder).run(), RunFolder(folder=folder).visits()
        assert isinstance(run, LoadRun)
        summary: Summary = experiment_of(run).summarise(visits)
        windows_of = by_cell(one for one in visits if isinstance(one, Window))
        self.values = values_of((cell for cell in run.cells if cell.control_of is None), windows_of)
        rows = [row for row in summary.cells if row.cell in self.values and row.rank is not None]
        self.is_ranked = len(rows) == len(self.values)
        self.rates = {row.cell: row.requests_per_cpu_s.estimate for row in rows if row.requests_per_cpu_s is not None}
        self.better = {frozenset((pair.a, pair.b)): better_of(pair) for pair in summary.pairs if better_of(pair)}

    def log_ratios(self, a: str, b: str) -> list[float]:
        """Return the logarithm of the ratio of two stacks in each round that both have."""
        first, second = self.values[a], self.values[b]
        return [log(first[number] / second[number]) for number in sorted(first.keys() & second.keys())]


@contextmanager
def bursts() -> Iterator[None]:
    """Keep another process working for ``BURST_S`` at a time, for ``SHARE`` of the time in all."""
    child = os.fork()
    if child == 0:
        source, cores = random.SystemRandom(), sorted(os.sched_getaffinity(0))
        while os.getppid() != 1:
            time.sleep(source.expovariate(SHARE / (1 - SHARE) / BURST_S))
            os.sched_setaffinity(0, {source.choice(cores)})
            ends_s = time.process_time() + BURST_S
            while time.process_time() < ends_s:
                pass
        os._exit(0)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _load(folder: Path) -> Made:
    line = [sys.executable, "-m", "loadtests", "loadtest", f"--framework={STACKS}", f"--out={folder}"]
    subprocess.run(line, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)  # a missing summary fails below
    return Made(folder)


def _spread(runs: Sequence[Made], a: str, b: str) -> float:
    """Return the standard deviation of a pair's log ratios within runs, pooled over the runs."""
    return sqrt(statistics.fmean(statistics.variance(run.log_ratios(a, b)) for run in runs))


def _mean_rate(runs: Sequence[Made], name: str) -> float:
    return exp(statistics.fmean(log(run.rates[name]) for run in runs if name in run.rates))


def main() -> int:
    """Make the runs and print how they compare."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    quiet, disturbed = list[Made](), list[Made]()
    with tempfile.TemporaryDirectory(prefix="disturbed-") as place:
        for number in range(count):
            if number % QUIET_EVERY == 0:
                quiet.append(_load(Path(place) / f"quiet-{number}"))
            with bursts():
                disturbed.append(_load(Path(place) / f"disturbed-{number}"))
    print("\n".join(_sentences(quiet, disturbed)))  # noqa: T201
    return 0


def _sentences(quiet: Sequence[Made], disturbed: Sequence[Made]) -> Iterator[str]:
    names = list(quiet[0].rates)
    pairs = list(combinations(names, 2))
    for title, runs in (("quiet", quiet), ("disturbed", disturbed)):
        spreads = [_spread(runs, a, b) for a, b in pairs]
        yield (
            f"{title}: {sum(run.is_ranked for run in runs)} of {len(runs)} runs ranked; standard deviation of the log "
            f"ratio of two stacks between rounds: median {statistics.median(spreads):.2%}, largest {max(spreads):.2%}"
        )
    level = {name: _mean_rate(disturbed, name) / _mean_rate(quiet, name) for name in names}
    for name, ratio in level.items():
        each = [run.rates[name] / _mean_rate(quiet, name) for run in disturbed if name in run.rates]
        yield f"{name}: disturbed over quiet {ratio:.3f}, single runs {min(each):.3f} to {max(each):.3f}"
    apart = max(abs(log(level[a] / level[b])) for a, b in pairs)
    yield f"ratios of two stacks, disturbed over quiet: at most {apart:.2%} apart"
    known = {pair: winner for run in quiet for pair, winner in run.better.items()}
    otherwise = sum(known.get(pair, won) != won for run in disturbed for pair, won in run.better.items())
    yield f"pairs ordered otherwise than in a quiet run: {otherwise}"


if __name__ == "__main__":
    sys.exit(main())
