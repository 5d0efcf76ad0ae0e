"""The plan of a run: the order of its visits, and when a load test ends."""

import math
import random
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from common.errors import UsageError
from common.records.run import LoadRun, Stopping
from common.records.schema import Visit
from common.records.summary import DropReason
from common.records.window import Window
from common.words import counted
from loadtests.analysis.dropping import conforming, dropouts, dropping, pairs_of, ranks
from loadtests.analysis.thresholds import LOOKS, MARGIN, MOST_PRECISE_ROUNDS, MOST_SHARE

Kind = TypeVar("Kind", bound=Visit)
DEFAULT_BUDGET = "6m"
"""Leaves time for the rounds that a rank needs, of the default frameworks, on two cores."""
FEWEST_TO_RANK = LOOKS[0]
_UNITS_S = {"s": 1, "m": 60, "h": 3600}


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


def parse_stopping(
    *,
    rounds: int | None,
    budget: str | None = None,
    precision: str | None = None,
    margin: str = f"{MARGIN:.0%}",
    looks: tuple[int, ...] = LOOKS,
) -> tuple[int, Stopping]:
    """Return the most rounds and the stopping rule for ``ROUNDS``, ``BUDGET``, ``PRECISION`` and ``MARGIN``.

    ``ROUNDS`` means exactly that many. The default budget may be exceeded to make the rounds that a rank needs; an
    explicit one is kept. Raise ``UsageError`` if a value is invalid or conflicts with another.
    """
    band = parse_share(margin, variable="MARGIN")
    if rounds is not None:
        others = {"BUDGET": budget, "PRECISION": precision}
        given = [f"{name}={value}" for name, value in others.items() if value is not None]
        if given:
            raise UsageError(f"ROUNDS={rounds} is exactly that many rounds. Leave out {' and '.join(given)}.")
        return rounds, Stopping(fewest_rounds=rounds, margin=band)
    budget_s = parse_duration(budget or DEFAULT_BUDGET, variable="BUDGET")
    fewest = FEWEST_TO_RANK if budget is None else 1
    if precision is not None:
        narrow = parse_share(precision, variable="PRECISION")
        return MOST_PRECISE_ROUNDS, Stopping(fewest_rounds=fewest, budget_s=budget_s, precision=narrow, margin=band)
    return looks[-1], Stopping(fewest_rounds=fewest, looks=list(looks), budget_s=budget_s, margin=band)


def parse_duration(text: str, *, variable: str) -> float:
    """Return the seconds of a duration such as ``90s``, ``15m`` or ``1.5h``; ``UsageError`` if it is invalid."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", text.strip().casefold(), re.ASCII)
    value_s = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if not 0 < value_s < math.inf:
        raise UsageError(f"invalid {variable}={text or '(empty)'}: must be a duration such as 90s, 15m or 1.5h.")
    return value_s


def parse_share(text: str, *, variable: str) -> float:
    """Return a percentage such as ``2%``, ``2`` or ``0.5%`` as a share; ``UsageError`` if it is invalid."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", text.strip(), re.ASCII)
    value = float(match[1]) / 100 if match else 0.0
    if not 0 < value <= MOST_SHARE:
        raise UsageError(f"invalid {variable}={text or '(empty)'}: must be above 0 and at most 50 %, such as 2%.")
    return value


def windows_of(visits: Sequence[Visit]) -> list[Window]:
    """Return the windows among the visits."""
    return [visit for visit in visits if isinstance(visit, Window)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a load test."""

    todo: tuple[PlannedVisit, ...]
    """The remaining visits of the current round, or those of the next one; empty once the run is over."""
    completion_reason: str
    active: tuple[str, ...]
    """The cells that have not dropped out."""


def progress(run: LoadRun, visits: Sequence[Visit]) -> Progress:
    """Replay the decisions of all rounds, and return what remains of the current one."""
    active = conforming(run)
    for number in range(1, run.rounds + 1):
        before = [visit for visit in visits if visit.round < number]
        dropped = dropping(run, active, windows_of(before), number - 1)
        active = tuple(name for name in active if name not in dropped)
        if reason := _completion_reason(run, active, before, number):
            return Progress(todo=(), completion_reason=reason, active=active)
        made = {window.cell for window in windows_of(visits) if window.round == number}
        order = round_order(Window, conforming(run), number, run.seed)
        if todo := tuple(visit for visit in order if visit.cell in active and visit.cell not in made):
            return Progress(todo=todo, completion_reason="", active=active)
    return Progress(todo=(), completion_reason=f"{counted(run.rounds, 'round')} measured", active=active)


def _completion_reason(run: LoadRun, active: Collection[str], before: Sequence[Visit], number: int) -> str:
    """Return why round ``number`` does not begin; empty if it does."""
    windows = windows_of(before)
    if len(active) < (1 if ranks(run) else 2):  # a comparison needs both of its sides
        return _why_over(run, windows, number - 1)
    if run.stopping.budget_s is None or number <= run.stopping.fewest_rounds:
        return ""
    spent_s = _spent_s(before)
    next_s = spent_s / len(windows) * len(active)
    if spent_s + next_s <= run.stopping.budget_s:
        return ""
    left = f"what is left of the {run.stopping.budget_s:.0f} s of BUDGET"
    return f"another round of about {next_s:.0f} s does not fit into {left}"


def _why_over(run: LoadRun, windows: Sequence[Window], made: int) -> str:
    if not windows:
        return "no stack can be measured"
    if run.stopping.precision:
        if all(dropout.reason is DropReason.FAILED for dropout in dropouts(run, windows).values()):
            return f"no stack is left that can be measured after {counted(made, 'round')}"
        narrow = f"every sound stack's interval was within {run.stopping.precision:.1%} when it dropped out"
        return f"{narrow}; {counted(made, 'round')} measured"
    found = pairs_of(run, windows)
    if not found:
        return f"no two stacks can be compared after {counted(made, 'round')}"
    if not (undecided := sum(pair.is_undecided for pair in found)):
        return f"every pair is resolved after {counted(made, 'round')}"
    left = f"{counted(run.rounds - made, 'more round')} would hardly decide any of them"
    return f"{undecided} of {len(found)} pairs are undecided after {counted(made, 'round')}, and {left}"


def time_left_s(run: LoadRun, visits: Sequence[Visit], *, most: int, fewest: int) -> float | None:
    """Return the time for ``most`` windows, limited by the budget, but at least the time for the ``fewest``."""
    windows = windows_of(visits)
    if not windows:
        return None
    spent_s = _spent_s(visits)
    window_s = spent_s / len(windows)
    if run.stopping.budget_s is None:
        return most * window_s
    return min(most * window_s, max(fewest * window_s, run.stopping.budget_s - spent_s))


def _spent_s(visits: Sequence[Visit]) -> float:
    return sum(visit.took_s or 0.0 for visit in visits)
