"""The order of a run: every cell once a round, each round newly shuffled from one recorded seed."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One window to be made."""

    round: int
    position: int
    cell: str


def steps(cells: Sequence[str], rounds: int, seed: int) -> Iterator[Step]:
    """All windows of a run in order; the same seed gives the same order, and rounds are independent of each other."""
    for number in range(1, rounds + 1):
        yield from round_steps(cells, number, seed)


def round_steps(cells: Sequence[str], number: int, seed: int) -> tuple[Step, ...]:
    """The windows of one round in order.

    Leaving some out keeps the order of the others, so that a cell that drops out changes nothing else.
    """
    order = random.Random(f"{seed}/{number}").sample(list(cells), len(cells))  # noqa: S311 -- not for secrets
    return tuple(Step(round=number, position=position, cell=cell) for position, cell in enumerate(order, start=1))
