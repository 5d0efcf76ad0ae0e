"""How long a server needs after a switch until it is as fast as under lasting load.

``python -m tests.benchmarks.settling [SETS]`` brings up the servers of eight stacks in each of three sets, unless
given, and loads them in turn in slices of 0.24 s, in each of which the counters are read several times. It prints, as a
table in Markdown, by how many per cent the requests per CPU-second of each part of a slice differ from those of its
last tenth of a second, with standard errors over slices. It takes nine minutes.
"""

import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, stdev

import msgspec

from common.cli.parameters import StackParameters
from common.console import Terminal
from common.records.run import Slicing
from common.tables import markdown_table
from loadtests.windows.sliced import carry_out, slice_order
from tests.benchmarks.rounds import prepared, servers_up

STACKS = "raw_asgi,aiohttp,starlette,litestar,raw_wsgi,falcon,flask,django"
SETS = 3
MARKS_S = (0.012, 0.020, 0.040, 0.060, 0.080, 0.100, 0.140, 0.240)
"""When the counters are read, counted from the beginning of the load."""
PROGRAM = (sys.executable, "-m", "tests.benchmarks.settling_load", *map(str, MARKS_S))
SLICING = Slicing(passes=60, most_passes=60, slice_s=MARKS_S[-1], skipped_s=MARKS_S[-2])

Readings = tuple[int, list[tuple[int, float]]]
"""The readings of one slice: the server's index, and its correct responses and CPU-seconds so far at each mark."""


def main() -> int:
    """Load the servers in turn, and print by how much each part of a slice differs from the last part."""
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else SETS
    terminal, logs = Terminal(), defaultdict[tuple[str, int], list[float]](list)
    with prepared("settling", StackParameters(framework=STACKS), sets, terminal) as (experiment, subjects):
        for number in range(1, sets + 1):
            with servers_up(subjects, experiment.run.setup) as running:
                order = slice_order(list(running.values()), experiment.run.setup, SLICING, seed=str(number))
                slices = msgspec.json.decode(carry_out(order, PROGRAM), type=list[Readings])
            names = list(running)
            for index, readings in slices:
                *parts, last = _rates(readings)
                for part, rate in enumerate(parts):
                    if rate and last:
                        logs[names[index], part].append(math.log(rate / last))
            terminal.say(f"set {number}/{sets}")
    headings = ("stack", *(f"{first * 1000:g} to {last * 1000:g} ms" for first, last in pairwise(MARKS_S[:-1])))
    rows = [(name, *(_difference(logs[name, part]) for part in range(len(headings) - 1))) for name in subjects]
    terminal.write(markdown_table(headings, rows, left={"stack"}))
    return 0


def _rates(readings: Sequence[tuple[int, float]]) -> list[float | None]:
    """Return the requests per CPU-second of each part of a slice; ``None`` where the server used no CPU time."""
    return [(b[0] - a[0]) / (b[1] - a[1]) if b[1] > a[1] else None for a, b in pairwise(readings)]


def _difference(logs: Sequence[float]) -> str:
    return f"{fmean(logs):+.1%} ({stdev(logs) / math.sqrt(len(logs)):.1%})" if len(logs) > 1 else "-"


if __name__ == "__main__":
    sys.exit(main())
