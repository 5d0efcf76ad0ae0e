"""Decides whether one of two cells is slower than the other by more than a limit allows. Pure.

Two one-sided questions share one interval of the ratio, whose level is divided over the looks of a run, or over the
pairs of two finished runs. A cell is slower than the limit if the whole interval is beyond it, and not slower if the
whole interval is on this side of it. All these intervals together miss the truth in at most 5 % of runs, at most 2.5 %
on either side (Bonferroni), so a cell that is exactly as slow as the limit is called slower in at most 2.5 % of runs.
"""

import numpy as np

from common.records.summary import AgainstLimit, Interval, LimitDecision
from loadtests.analysis.comparison import intervals, whole_rounds
from loadtests.analysis.thresholds import ALPHA
from loadtests.statistics.intervals import LogRatios


def at_look(ratios: LogRatios, limit: float, looks: int) -> AgainstLimit | None:
    """Return the ratio a / b of one pair, at one of ``looks`` looks, held against a limit; ``None`` without a ratio."""
    level = ALPHA / looks
    (ratio,) = intervals(ratios, 1 - level)
    if ratio is None:
        return None
    (total,) = ratios.rounds_to_tell_from(-np.log1p(-limit), level / 2).tolist()
    return held_against(limit, ratio, whole_rounds(total - ratio.n))


def held_against(limit: float, ratio: Interval, rounds_needed: int | None = None) -> AgainstLimit:
    """Return what the bounds of a ratio a / b decide; ``rounds_needed`` would decide it if they do not."""
    change = speed(ratio)
    decision = LimitDecision.UNDECIDED
    if change.high is not None and change.high < -limit:
        decision = LimitDecision.SLOWER
    elif change.low is not None and change.low > -limit:
        decision = LimitDecision.NOT_SLOWER
    left = rounds_needed if decision is LimitDecision.UNDECIDED else None
    return AgainstLimit(limit=limit, decision=decision, change=change, rounds_needed=left)


def speed(ratio: Interval) -> Interval:
    """Return by how much ``b`` serves more than ``a``, given the ratio a / b: 0.03 is 3 % more, -0.03 is 3 % less."""
    return Interval(
        estimate=1 / ratio.estimate - 1,
        low=None if ratio.high is None else 1 / ratio.high - 1,
        high=None if ratio.low is None else 1 / ratio.low - 1,
        n=ratio.n,
    )
