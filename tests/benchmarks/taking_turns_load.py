"""The load of ``tests.benchmarks.taking_turns``: ``python -m tests.benchmarks.taking_turns_load ORDER RESULT``.

Loads the servers of an order in turn and, alternately, each for several slices in a row.
"""

import gc
import os
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from loadtests.timing.slice_order import SliceOrder
from loadtests.timing.slices import Turn

BLOCK = 8
"""The number of slices of each server after which the load may change from one way to the other."""


def main(order_file: Path, result_file: Path) -> None:
    """Carry out the order in both ways, and write the slices as ``tests.benchmarks.taking_turns`` decodes them."""
    order = msgspec.json.decode(order_file.read_bytes(), type=SliceOrder)
    turns = [Turn(server, order.setup, order.slicing) for server in order.servers]
    for turn in turns:
        turn.open(order.setup.load.warmup_s)
    draw = random.Random(order.seed)  # noqa: S311 -- not for secrets
    both_ways = [(list[tuple[int, float]](), list[tuple[int, float]]()) for _ in turns]
    for _ in range(order.slicing.passes // BLOCK):
        for way in draw.sample(range(len(WAYS)), len(WAYS)):
            for index, counts in WAYS[way](len(turns), draw):
                one = _slice(turns[index])
                if counts:
                    both_ways[index][way].append(one)
    result_file.write_bytes(msgspec.json.encode(both_ways))
    os._exit(0)  # users and their loops wait for turns that do not come


def _in_turn(servers: int, draw: random.Random) -> Iterator[tuple[int, bool]]:
    """Yield which server is loaded next, and whether its slice counts."""
    for _ in range(BLOCK):
        yield from ((index, True) for index in _shuffled(servers, draw))


def _in_a_row(servers: int, draw: random.Random) -> Iterator[tuple[int, bool]]:
    """Yield the same, with the slices of each server in a row; its first, after another's, does not count."""
    for index in _shuffled(servers, draw):
        yield index, False
        yield from ((index, True) for _ in range(BLOCK))


def _shuffled(servers: int, draw: random.Random) -> Sequence[int]:
    return draw.sample(range(servers), servers)


def _slice(turn: Turn) -> tuple[int, float]:
    gc.freeze()  # as load tests do before each slice
    turn.enter()
    measured = turn.load()
    return measured.requests, measured.server_cpu_s or 0.0


WAYS = (_in_turn, _in_a_row)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
