"""The load of ``tests.benchmarks.taking_turns``: ``python -m tests.benchmarks.taking_turns_load ORDER RESULT``.

Loads the servers of an order in turn and, alternately, each for several slices in a row.
"""

import random
import sys
from collections.abc import Iterator, Sequence

from loadtests.timing.slice_order import SliceOrder
from loadtests.timing.slices import Turn
from tests.benchmarks.turns import carry_out

BLOCK = 8
"""The number of slices of each server after which the load may change from one way to the other."""

Slices = list[tuple[int, float]]


def slices(order: SliceOrder, turns: Sequence[Turn]) -> list[tuple[Slices, Slices]]:
    """Return the slices of each server in both ways, as ``tests.benchmarks.taking_turns`` decodes them."""
    draw = random.Random(order.seed)  # noqa: S311 -- not for secrets
    both_ways = [(Slices(), Slices()) for _ in turns]
    for _ in range(order.slicing.passes // BLOCK):
        for way in draw.sample(range(len(WAYS)), len(WAYS)):
            for index, counts in WAYS[way](len(turns), draw):
                one = _slice(turns[index])
                if counts:
                    both_ways[index][way].append(one)
    return both_ways


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
    turn.enter()
    measured = turn.load()
    return measured.requests, measured.server_cpu_s or 0.0


WAYS = (_in_turn, _in_a_row)


if __name__ == "__main__":
    carry_out(slices, *sys.argv[1:])
