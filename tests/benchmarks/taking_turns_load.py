"""The load of ``tests.benchmarks.taking_turns``: ``python -m tests.benchmarks.taking_turns_load ORDER RESULT``.

Loads the servers of an order in turn and, alternately, each for several slices in a row while the others are stopped.
"""

import os
import random
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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
            for index, counted in WAYS[way](turns, draw):
                both_ways[index][way].extend(counted)
    return both_ways


def _in_turn(turns: Sequence[Turn], draw: random.Random) -> Iterator[tuple[int, Slices]]:
    """Load all servers in shuffled passes; yield the index of each in turn, and its slice."""
    for _ in range(BLOCK):
        for index in _shuffled(turns, draw):
            yield index, [_slice(turns[index])]


def _alone(turns: Sequence[Turn], draw: random.Random) -> Iterator[tuple[int, Slices]]:
    """Load each server while all others are stopped; yield its index and all its slices but the first."""
    with _stopped(turns):
        for index in _shuffled(turns, draw):
            _signal([turns[index]], signal.SIGCONT)
            _slice(turns[index])
            yield index, [_slice(turns[index]) for _ in range(BLOCK)]
            _signal([turns[index]], signal.SIGSTOP)


@contextmanager
def _stopped(turns: Sequence[Turn]) -> Iterator[None]:
    """Stop all servers, which then use no CPU time, and let them continue in the end."""
    _signal(turns, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(turns, signal.SIGCONT)


def _signal(turns: Sequence[Turn], number: signal.Signals) -> None:
    for turn in turns:
        for pid in turn.processes:
            os.kill(pid, number)


def _shuffled(turns: Sequence[Turn], draw: random.Random) -> Sequence[int]:
    return draw.sample(range(len(turns)), len(turns))


def _slice(turn: Turn) -> tuple[int, float]:
    turn.enter()
    first, last = turn.load()
    load = last - first
    return load.requests, load.server_cpu_s or 0.0


WAYS = (_in_turn, _alone)


if __name__ == "__main__":
    carry_out(slices, *sys.argv[1:])
