"""How far a run is, and what comes next: a pure function of its manifest and its windows.

Since nothing else has a say, a run that was killed goes on exactly as it would have gone on unbroken.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from common.records.run import Run
from common.records.summary import Decision, Pair
from common.records.window import Window
from loadtests.analysis.comparison import looks_of
from loadtests.analysis.dropping import conforming, dropping, pairs_of
from loadtests.runs.plan import Step, round_steps


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
    by_round: dict[int, list[Window]] = defaultdict(list)
    for window in windows:
        by_round[window.round].append(window)
    active, ended, number = conforming(run), "", 0
    todo: tuple[Step, ...] = ()
    for number in range(1, run.rounds + 1):
        before = [window for window in windows if window.round < number]
        dropped = dropping(run, active, before, number - 1)
        active = tuple(name for name in active if name not in dropped)
        if ended := _why_over(run, active, before, number):
            break
        made = {window.cell for window in by_round[number]}
        order = round_steps(conforming(run), number, run.seed)
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


def pairs_at_look(run: Run, windows: Sequence[Window]) -> tuple[Pair, ...] | None:
    """Every pair as the latest look has left it; ``None`` before the first one."""
    made = max((window.round for window in windows), default=0)
    latest = max((look for look in looks_of(run) if look <= made), default=0)
    return pairs_of(run, [window for window in windows if window.round <= latest]) if latest else None


def _why_over(run: Run, active: Collection[str], windows: Sequence[Window], number: int) -> str:
    """Why round ``number`` is not begun; empty where it is."""
    if not active:
        return _nobody_left(run, windows, number - 1)
    if run.budget_s is None or number <= run.fewest_rounds:
        return ""
    spent_s = _spent_s(windows)
    next_s = spent_s / len(windows) * len(active)
    if spent_s + next_s <= run.budget_s:
        return ""
    return f"another round of about {next_s:.0f} s does not fit into the {run.budget_s:.0f} s of BUDGET"


def _nobody_left(run: Run, windows: Sequence[Window], made: int) -> str:
    if not windows:
        return "no stack can be measured"
    if run.precision:
        return f"every interval is within {run.precision:.1%} after {made} rounds"
    found = pairs_of(run, windows)
    if not (undecided := sum(pair.decision is Decision.UNDECIDED for pair in found)):
        return f"every pair is resolved after {made} rounds"
    left = f"the {run.rounds - made} rounds left are unlikely to decide any of them"
    return f"{undecided} of {len(found)} pairs are undecided after {made} rounds, and {left}"


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
