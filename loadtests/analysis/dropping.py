"""The cells that drop out of a run after a look, and the reasons, from its manifest and windows alone. Pure."""

import math
from collections.abc import Collection, Sequence

from common.records.run import CompareRun, Design, LoadRun
from common.records.summary import Component, Decision, Dropout, DropReason, Interval, Pair, Verdict
from common.records.window import Window
from loadtests.analysis.comparison import Variation, decide, looks_of, worth_continuing
from loadtests.analysis.outcome import pair_of, settled
from loadtests.analysis.rates import Verdicts, estimates_of
from loadtests.analysis.thresholds import FEWEST_CHANCE, FEWEST_ROUNDS
from loadtests.analysis.values import by_cell, conforms, values_of
from loadtests.analysis.verdicts import load_test_verdicts
from loadtests.statistics.intervals import POWER
from loadtests.statistics.spread import Values

TERMINAL_VERDICTS = frozenset(
    {Verdict.NONCONFORMING, Verdict.NOT_MEASURED, Verdict.SERVER_DIED, Verdict.RESTARTED, Verdict.WRONG_ANSWERS}
)
"""Verdicts that more rounds cannot change, because the stack itself is at fault."""


def conforming(run: LoadRun) -> tuple[str, ...]:
    """Return the cells that are measured: those that passed conformance, or were not checked."""
    return tuple(cell.name for cell in run.cells if conforms(cell))


def dropouts(run: LoadRun, windows: Sequence[Window]) -> dict[str, Dropout]:
    """Return the cells that dropped out before the run's last round; a control drops out with its original."""
    active, out = conforming(run), dict[str, Dropout]()
    windows_of = by_cell(windows)
    for made in range(1, run.rounds):
        if not active or not all(any(window.round == made for window in windows_of[name]) for name in active):
            break
        dropped = dropping(run, active, [window for window in windows if window.round <= made], made)
        out |= {name: Dropout(after_round=made, reason=reason) for name, reason in dropped.items()}
        active = tuple(name for name in active if name not in dropped)
    return out


def dropping(run: LoadRun, active: Sequence[str], windows: Sequence[Window], made: int) -> dict[str, DropReason]:
    """Return the ``active`` cells that drop out after ``made`` rounds, and why; empty unless this is a look."""
    if made not in run.stopping.looks and not (run.stopping.precision and made >= FEWEST_ROUNDS):
        return {}
    windows_of = by_cell(windows)
    seen = load_test_verdicts(run, windows_of)
    every = values_of(run.cells, windows_of)
    values = _rankable(run, every, seen)
    reasons = _precise(run, every, seen) if run.stopping.precision else _done(run, active, values, made)
    controls = {cell.name: cell.control_of for cell in run.cells if cell.control_of}
    originals = {name: controls.get(name, name) for name in active}
    sound = {name: reasons.get(name) for name in values}
    reason_of = {name: sound.get(original, DropReason.FAILED) for name, original in originals.items()}
    return {name: reason for name, reason in reason_of.items() if reason is not None}


def pairs_of(run: LoadRun, windows: Sequence[Window]) -> tuple[Pair, ...]:
    """Return every pair of sound cells after the looks made so far; controls are left out."""
    windows_of = by_cell(windows)
    return _pairs(run, _rankable(run, values_of(run.cells, windows_of), load_test_verdicts(run, windows_of)))


def ranks(run: LoadRun) -> bool:
    """Return whether the run ranks its cells, rather than comparing two."""
    return run.design in {Design.SLICED, Design.ALONE} and not isinstance(run, CompareRun)


def fewest_chance(run: LoadRun) -> float:
    """Return the probability of a decision in the rounds left below which a pair is given up."""
    return FEWEST_CHANCE if run.design is Design.SLICED else POWER


def variation(run: LoadRun, values: Values, between: Component | None) -> Variation:
    """Return what is known of how the ``values`` of a run vary, with what a cell varies by ``between`` runs.

    In a sliced run, the common spread of all of them moderates that of each cell.
    """
    return Variation(steadied_by=values if run.design is Design.SLICED else None, between=between)


def _pairs(run: LoadRun, values: Values, power: float = POWER) -> tuple[Pair, ...]:
    if ranks(run):
        known = variation(run, values, run.between_runs)
        return decide(values, looks_of(run), margin=run.stopping.margin, variation=known, power=power)
    return (pair_of(run, values),) if len(values) == 2 else ()  # noqa: PLR2004 -- a comparison has two sides


def _done(run: LoadRun, active: Collection[str], values: Values, made: int) -> dict[str, DropReason]:
    """Return the sound cells whose pairs are decided, or which the rounds left are unlikely to decide."""
    compared, names = _pairs(run, values, fewest_chance(run)), values.keys()
    if not ranks(run):
        return {name: DropReason.RESOLVED for pair in compared if settled(run, pair) for name in (pair.a, pair.b)}
    undecided = {name for pair in compared if pair.decision is Decision.UNDECIDED for name in (pair.a, pair.b)}
    on = worth_continuing([name for name in active if name in names], compared, rounds_left=run.rounds - made)
    return {name: DropReason.OUT_OF_REACH if name in undecided else DropReason.RESOLVED for name in names - on}


def _precise(run: LoadRun, values: Values, seen: Verdicts) -> dict[str, DropReason]:
    """Return the cells whose intervals of this run alone are narrow enough: rounds do not reduce what runs vary by."""
    narrow = run.stopping.precision or 0
    found = estimates_of(run, values, seen)
    return {name: DropReason.PRECISE for name, rate in found.items() if half_width(rate.interval()) <= narrow}


def half_width(interval: Interval) -> float:
    """Return half the width of an interval relative to its estimate; infinite without bounds."""
    if interval.low is None or interval.high is None:
        return math.inf
    return math.sqrt(interval.high / interval.low) - 1


def _rankable(run: LoadRun, values: Values, seen: Verdicts) -> Values:
    """Return the values of the cells that can be ranked, in the run's order, without controls."""
    return {
        cell.name: values[cell.name]
        for cell in run.cells
        if cell.control_of is None and TERMINAL_VERDICTS.isdisjoint(seen[cell.name])
    }
