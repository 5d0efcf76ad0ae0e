"""The load of ``tests.benchmarks.settling``: ``python -m tests.benchmarks.settling_load MARK ... ORDER RESULT``.

Loads the servers of an order in turn, in slices that last until the last mark, and reads the counters at each. Marks
are in seconds after the load began.
"""

import gc
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from loadtests.timing.slice_order import SliceOrder
from loadtests.timing.slices import Turn


def main(marks_s: Sequence[float], order_file: Path, result_file: Path) -> None:
    """Carry out the order, and write the readings of each slice as ``tests.benchmarks.settling`` decodes them."""
    order = msgspec.json.decode(order_file.read_bytes(), type=SliceOrder)
    turns = [Turn(server, order.setup, order.slicing) for server in order.servers]
    for turn in turns:
        turn.open(order.setup.load.warmup_s)
    draw, slices = random.Random(order.seed), list[tuple[int, list[tuple[int, float]]]]()  # noqa: S311 -- not for secrets
    for _ in range(order.slicing.passes):
        slices += [(index, _readings(turns[index], marks_s)) for index in draw.sample(range(len(turns)), len(turns))]
    result_file.write_bytes(msgspec.json.encode(slices))
    os._exit(0)  # users and their loops wait for turns that do not come


def _readings(turn: Turn, marks_s: Sequence[float]) -> list[tuple[int, float]]:
    gc.freeze()  # as load tests do before each slice
    turn.enter()
    turn.loop.release()
    began_s, readings = time.perf_counter(), list[tuple[int, float]]()
    for mark_s in marks_s:
        turn.load_until(began_s + mark_s)
        now = turn.counters()
        readings.append((sum(tally.good for tally in now.tallies), now.server_cpu_s or 0.0))
    turn.hold()
    return readings


if __name__ == "__main__":
    *marks, order, result = sys.argv[1:]
    main([float(mark) for mark in marks], Path(order), Path(result))
