"""The load of ``tests.benchmarks.settling``: ``python -m tests.benchmarks.settling_load MARK ... ORDER RESULT``.

Loads the servers of an order in turn, in slices that last until the last mark, and reads the counters at each. Marks
are in seconds after the load began.
"""

import random
import sys
import time
from collections.abc import Sequence

from loadtests.timing.slice_order import SliceOrder
from loadtests.timing.slices import Turn
from tests.benchmarks.turns import carry_out

Readings = tuple[int, list[tuple[int, float]]]


def slices(order: SliceOrder, turns: Sequence[Turn], marks_s: Sequence[float]) -> list[Readings]:
    """Return the readings of each slice as ``tests.benchmarks.settling`` decodes them."""
    draw, indices = random.Random(order.seed), range(len(turns))  # noqa: S311 -- not for secrets
    shuffled = (index for _ in range(order.slicing.passes) for index in draw.sample(indices, len(indices)))
    return [(index, _readings(turns[index], marks_s)) for index in shuffled]


def _readings(turn: Turn, marks_s: Sequence[float]) -> list[tuple[int, float]]:
    turn.enter()
    turn.loop.release()
    began_s, readings = time.perf_counter(), list[tuple[int, float]]()
    for mark_s in marks_s:
        turn.load_until(began_s + mark_s)
        now = turn.reading(turn.loop)
        readings.append((sum(tally.good for tally in now.tallies), now.server.cpu_s if now.server else 0.0))
    turn.hold()
    return readings


if __name__ == "__main__":
    *marks, order_file, result_file = sys.argv[1:]
    marks_s = [float(mark) for mark in marks]
    carry_out(lambda order, turns: slices(order, turns, marks_s), order_file, result_file)
