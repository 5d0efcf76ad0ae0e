"""Two finished runs against each other: cells of one name, compared without pairs, since they share no round."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import stdtr, stdtrit

from common.errors import UsageError
from common.records.run import Run
from common.records.summary import Decision, Interval, Pair
from loadtests.analysis.comparison import ALPHA
from loadtests.analysis.intervals import CONFIDENCE
from loadtests.analysis.paired import holm
from loadtests.analysis.values import values_by_round
from loadtests.runs.results import Results

ALIKE = ("scenario", "users", "delay_ms", "vcpu", "memory_bytes", "runtime", "load_path", "window_s", "warmup_s")
"""What two runs must have had in common; else a difference would be that of how they were measured."""


def across_runs(a: Results, b: Results, margin: float) -> tuple[Pair, ...]:
    """Every cell that both runs have, the second run's against the first's, with Holm's adjustment over all cells.

    ``UsageError`` where the runs were not made alike, or have no cell in common. What the machine was like at either
    time is part of every difference: only a comparison in one run takes it out.
    """
    first, second = a.run(), b.run()
    _refuse_unlike(first, second)
    ours, theirs = _values(a), _values(b)
    names = [cell.name for cell in first.cells if min(len(ours.get(cell.name, ())), len(theirs.get(cell.name, ()))) > 1]
    if not names:
        raise UsageError(f"{first.id} and {second.id} have no cell in common that was measured twice in each.")
    tests = [welch(ours[name], theirs[name], math.log1p(margin)) for name in names]
    different = holm(np.array([p for _, p, _ in tests]))
    equivalent = holm(np.array([p for _, _, p in tests]))
    return tuple(
        Pair(
            a=f"{name} of {first.id}",
            b=f"{name} of {second.id}",
            ratio=ratio,
            p_value=float(p),
            decision=_decision(float(p), float(q)),
        )
        for name, (ratio, _, _), p, q in zip(names, tests, different, equivalent, strict=True)
    )


def welch(a: Sequence[float], b: Sequence[float], band: float) -> tuple[Interval, float, float]:
    """The ratio of ``a`` to ``b``, and the p-values of no difference and of a log ratio beyond ``band``.

    Welch's t test on logarithms, with Satterthwaite's degrees of freedom; two one-sided tests for the band.
    """
    x, y = np.log(a), np.log(b)
    parts = np.array([x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)])
    mean, error = float(x.mean() - y.mean()), math.sqrt(parts.sum())
    if not error:
        estimate = math.exp(mean)
        known = Interval(estimate=estimate, low=estimate, high=estimate, n=min(len(x), len(y)))
        return known, float(mean == 0), float(abs(mean) >= band)
    freedom = parts.sum() ** 2 / float((parts**2 / np.array([len(x) - 1, len(y) - 1])).sum())
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    ratio = Interval(
        estimate=math.exp(mean), low=math.exp(mean - half), high=math.exp(mean + half), n=min(len(x), len(y))
    )
    different = 2 * float(stdtr(freedom, -abs(mean) / error))
    return ratio, different, float(stdtr(freedom, (abs(mean) - band) / error))


def _decision(different: float, equivalent: float) -> Decision:
    if different < ALPHA:
        return Decision.DIFFERENT
    return Decision.EQUIVALENT if equivalent < ALPHA else Decision.UNDECIDED


def _refuse_unlike(a: Run, b: Run) -> None:
    for field in ALIKE:
        if (was := getattr(a, field)) != (is_ := getattr(b, field)):
            raise UsageError(f"{a.id} has {field} {was} and {b.id} has {is_}. Accepted: runs that were made alike.")


def _values(results: Results) -> Mapping[str, list[float]]:
    windows = results.windows()
    return {
        cell.name: list(values_by_round(window for window in windows if window.cell == cell.name).values())
        for cell in results.run().cells
        if cell.control_of is None
    }
