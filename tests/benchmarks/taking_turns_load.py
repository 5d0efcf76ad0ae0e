"""The load of ``tests.benchmarks.taking_turns``: ``python -m tests.benchmarks.taking_turns_load ORDER RESULT``."""

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
"""Slices of each server after which the way of loading changes."""


def main(order_file: Path, result_file: Path) -> None:
    """Carry out the order in both ways, and write the slices as ``tests.benchmarks.taking_turns`` decodes them."""
    order = msgspec.json.decode(order_file.read_bytes(), type=SliceOrder)
    turns = [Turn(server, order.setup, order.slicing) for server in order.servers]
    for turn in turns:
        turn.open(order.setup.load.warmup_s)
    draw = random.Random(order.seed)  # noqa: S311 -- not for secrets
    both_ways = [(list[tuple[int, float]](), list[tuple[int, float]]()) for _ in turns]
    for _ in range(order.slicing.passes // BLOCK):
        for way in draw.sample((0, 1), 2):
            for index, counts in (_in_a_row if way else _in_turn)(len(turns), draw):
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
    """Yield the same with all slices of a server one after the other, of which the first follows another server's."""
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


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
