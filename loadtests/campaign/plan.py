"""The order of a run: every cell once per round, each round newly shuffled from one recorded seed."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from common.records.schema import Visit

Kind = TypeVar("Kind", bound=Visit)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVisit:
    """A visit that has not been made yet."""

    kind: type[Visit]
    round: int
    position: int
    cell: str

    def record(self, kind: type[Kind], run: str, **fields: Any) -> Kind:  # noqa: ANN401 -- the kind's own fields
        """Return the record of this visit, begun now, with the kind's own ``fields``."""
        return kind(
            run=run,
            round=self.round,
            position=self.position,
            cell=self.cell,
            started_at=datetime.now(UTC),
            **fields,
        )


def planned_visits(kind: type[Visit], cells: Sequence[str], rounds: int, seed: int) -> Iterator[PlannedVisit]:
    """Yield all visits of a run in order; the same seed gives the same order, and rounds are independent."""
    for number in range(1, rounds + 1):
        yield from round_order(kind, cells, number, seed)


def round_order(kind: type[Visit], cells: Sequence[str], number: int, seed: int) -> tuple[PlannedVisit, ...]:
    """Return the visits of one round in order.

    Pass all cells and filter the result, so that a cell that drops out does not change the order of the others.
    """
    order = random.Random(f"{seed}/{number}").sample(list(cells), len(cells))  # noqa: S311 -- not for secrets
    return tuple(
        PlannedVisit(kind=kind, round=number, position=position, cell=cell)
        for position, cell in enumerate(order, start=1)
    )
