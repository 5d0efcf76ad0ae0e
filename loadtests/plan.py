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
        order = random.Random(f"{seed}/{number}").sample(list(cells), len(cells))  # noqa: S311 -- not for secrets
        for position, cell in enumerate(order, start=1):
            yield Step(round=number, position=position, cell=cell)
