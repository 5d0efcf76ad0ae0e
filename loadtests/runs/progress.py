"""How far a run is, and what comes next: a pure function of its manifest and its windows.

Since nothing else has a say, a run that was killed goes on exactly as it would have gone on unbroken.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from common.records import Cell, Pair, Run, Verdict, Window
from loadtests.analysis.comparison import decide, looks_of, unresolved
from loadtests.analysis.intervals import log_interval
from loadtests.analysis.outcome import pair_of, settled
from loadtests.analysis.summary import values_by_round
from loadtests.analysis.verdicts import doubts
from loadtests.runs.plan import Step, round_steps

HOPELESS = frozenset({Verdict.NONCONFORMING, Verdict.NOT_MEASURED, Verdict.SERVER_DIED, Verdict.WRONG_ANSWERS})
"""Verdicts that more rounds do not mend: the stack is at fault, not how it is measured."""

ROUNDS = "rounds"
"""The design of a load test; others compare two."""

Values = dict[str, dict[int, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands."""

    todo: tuple[Step, ...]
    """What is left of the round under way, or the next one; empty once the run is over."""
    ended: str
    """Why the run is over; empty while it is not."""
    active: tuple[str, ...]
    """Cells that have not dropped out."""
    windows_left: int
    """The most windows that are still to be made."""
    left_s: float | None
    """The most that the rest will take, going by what is done; ``None`` before the first window."""


def progress(run: Run, windows: Sequence[Window]) -> Progress:
    """Where ``run`` stands after ``windows``: they are walked through round by round, as they were decided on."""
    conforming = [cell.name for cell in run.cells if cell.conformance is None or not cell.conformance.failed]
    by_round: dict[int, list[Window]] = defaultdict(list)
    for window in windows:
        by_round[window.round].append(window)
    active, ended, number = tuple(conforming), "", 0
    todo: tuple[Step, ...] = ()
    for number in range(1, run.rounds + 1):
        before = [window for window in windows if window.round < number]
        active = _still_active(run, active, before, number - 1)
        if ended := _why_over(run, active, before, number):
            break
        made = {window.cell for window in by_round[number]}
        order = round_steps(conforming, number, run.seed)
        if todo := tuple(step for step in order if step.cell in active and step.cell not in made):
            break
    left = len(todo) + len(active) * (run.rounds - number) if todo else 0
    fewest = len(todo) + len(active) * max(0, run.fewest_rounds - number)
    return Progress(
        todo=todo,
        ended="" if todo else ended or f"{run.rounds} rounds are made",
        active=active,
        windows_left=left,
        left_s=_left_s(run, windows, left, fewest),
    )


def pairs_of(run: Run, windows: Sequence[Window]) -> tuple[Pair, ...]:
    """Every pair of the sound cells after the looks made so far; controls are in none."""
    values = _values(run, windows)
    if run.design == ROUNDS:
        return decide(values, looks_of(run), margin=run.margin)
    return (pair_of(run, values),) if len(values) == 2 else ()  # noqa: PLR2004 -- what a comparison compares


def pairs_at_look(run: Run, windows: Sequence[Window]) -> tuple[Pair, ...] | None:
    """Every pair as the latest look has left it; ``None`` before the first one."""
    made = max((window.round for window in windows), default=0)
    latest = max((look for look in looks_of(run) if look <= made), default=0)
    return pairs_of(run, [window for window in windows if window.round <= latest]) if latest else None


def _still_active(run: Run, active: tuple[str, ...], windows: Sequence[Window], made: int) -> tuple[str, ...]:
    """Those of ``active`` that go on once ``made`` rounds are: all of them, unless this is a look."""
    if made not in run.looks and not (run.precision and made >= run.fewest_rounds):
        return active
    done = _precise(run, windows) if run.precision else _resolved(run, windows)
    sound = set(_sound(run, windows)) - done
    controls = {cell.name for cell in run.cells if cell.control_of in sound}
    return tuple(name for name in active if name in sound | controls)


def _resolved(run: Run, windows: Sequence[Window]) -> set[str]:
    found = pairs_of(run, windows)
    if run.design == ROUNDS:
        return set(_values(run, windows)) - unresolved(found)
    return {name for pair in found if settled(run, pair) for name in (pair.a, pair.b)}


def _precise(run: Run, windows: Sequence[Window]) -> set[str]:
    return {name for name, by_round in _values(run, windows).items() if half_width(by_round) <= (run.precision or 0)}


def half_width(by_round: Mapping[int, float]) -> float:
    """Half the width of the interval of a cell's values, relative to their mean; infinite where there is none."""
    interval = log_interval(list(by_round.values()))
    if interval is None or interval.low is None or interval.high is None:
        return float("inf")
    return math.sqrt(interval.high / interval.low) - 1


def _why_over(run: Run, active: Collection[str], windows: Sequence[Window], number: int) -> str:
    """Why round ``number`` is not begun; empty where it is."""
    if not active:
        what = f"every interval is within {run.precision:.1%}" if run.precision else "every pair is resolved"
        return f"{what} after {number - 1} rounds" if windows else "no stack can be measured"
    if run.budget_s is None or number <= run.fewest_rounds:
        return ""
    spent_s = _spent_s(windows)
    next_s = spent_s / len(windows) * len(active)
    if spent_s + next_s <= run.budget_s:
        return ""
    return f"another round of about {next_s:.0f} s does not fit into the {run.budget_s:.0f} s of BUDGET"


def _left_s(run: Run, windows: Sequence[Window], left: int, fewest: int) -> float | None:
    """The time that ``left`` windows take, or what the budget leaves, but that of the ``fewest`` in any case."""
    if not windows or not left:
        return None if left else 0.0
    spent_s = _spent_s(windows)
    window_s = spent_s / len(windows)
    if run.budget_s is None:
        return left * window_s
    return min(left * window_s, max(fewest * window_s, run.budget_s - spent_s))


def _spent_s(windows: Sequence[Window]) -> float:
    return sum(window.took_s or 0.0 for window in windows)


def _values(run: Run, windows: Sequence[Window]) -> Values:
    """The values of the sound cells by round, controls left out."""
    by_cell = _by_cell(windows)
    return {name: values_by_round(by_cell[name]) for name in _sound(run, windows)}


def _sound(run: Run, windows: Sequence[Window]) -> list[str]:
    """The cells that can come to a rank, in the run's order, controls left out."""
    by_cell = _by_cell(windows)
    cells = [cell for cell in run.cells if cell.control_of is None]
    return [cell.name for cell in cells if not _hopeless(run, cell, by_cell[cell.name])]


def _by_cell(windows: Sequence[Window]) -> dict[str, list[Window]]:
    found: dict[str, list[Window]] = defaultdict(list)
    for window in windows:
        found[window.cell].append(window)
    return found


def _hopeless(run: Run, cell: Cell, windows: Sequence[Window]) -> bool:
    return not HOPELESS.isdisjoint(doubts(run, cell, windows))
