"""Components of variance: their sums, and that from run to run, estimated from runs of the same stacks. Pure.

The logarithm of a stack's rate in a run is the sum of the stack's own, an effect of the run that all of its stacks
share, an effect of this stack in this run (stack by run), and the error of the run's rounds and servers. A ratio within
a run is free of the shared effect. The effect of stack by run remains, and no control within the run shows it: a copy
of a stack shares it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, polygamma

from common.records.summary import Component, Interval
from loadtests.statistics.intervals import geometric, student_t

FEWEST = 2
"""The fewest stacks, and the fewest runs of them, that show how stacks vary between runs."""
MOST_FREEDOM = 1e6
"""Degrees of freedom that stand for a known variance."""
REACH, POINTS = 12.0, 2401
"""How far the logarithm of a variance is looked for on both sides of the known one, and at how many points."""


def total(*parts: Component) -> Component:
    """Return the sum of independent components, with the degrees of freedom of Satterthwaite (Biometrics 2, 1946)."""
    variance = math.fsum(part.sd**2 for part in parts)
    of_squares = math.fsum(part.sd**4 / part.freedom for part in parts)
    freedom = variance**2 / of_squares if of_squares else max(part.freedom for part in parts)
    return Component(sd=math.sqrt(variance), freedom=max(1.0, freedom))


def sized(component: Component, size: float) -> Component:
    """Return what a relative variation is of a value of this size: the first term of a Taylor series (delta method)."""
    return Component(sd=component.sd * abs(size), freedom=component.freedom)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The mean logarithm of a stack's values."""

    mean: float
    error: Component | None
    """The standard error of the mean; ``None`` if it is unknown."""
    n: int

    def interval(self, *between: Component | None) -> Interval:
        """Return the geometric mean with its interval, wider by what runs vary by if ``between`` says so."""
        if self.error is None:
            return geometric(self.mean, math.inf, self.n)
        error = total(self.error, *(component for component in between if component is not None))
        return geometric(self.mean, student_t(error.freedom) * error.sd, self.n)


def estimate_of(values: Sequence[float]) -> Estimate | None:
    """Return the mean logarithm of positive, independent values; ``None`` for no values."""
    if not values:
        return None
    logs, count = np.log(values), len(values)
    error = Component(sd=float(logs.std(ddof=1)) / math.sqrt(count), freedom=count - 1) if count > 1 else None
    return Estimate(mean=float(logs.mean()), error=error, n=count)


Runs = Sequence[Mapping[str, Estimate]]
"""The estimates of stacks in each of several runs."""


def between_runs(series: Sequence[Runs], known: Component) -> Component:
    """Return what a stack varies by from run to run, by several ``series`` of runs of the same stacks each.

    The posterior by Bayes' rule, on a grid: what is ``known`` is a scaled inverse chi-square distribution of the
    variance, and its likelihood is that of the mean square of stack by run, whose maximum is the REML estimate where
    every run has every stack (Searle, Casella and McCulloch, Variance Components, 1992, chapter 4). So a handful of
    runs moves what is known by a part, and by more the less they agree with it.
    """
    shown = [part for part in map(_stack_by_run, series) if part.freedom]
    if not shown:
        return known
    logs = 2 * math.log(known.sd) + np.linspace(-REACH, REACH, POINTS)
    variances = np.exp(logs)
    density = -known.freedom / 2 * (logs + known.sd**2 / variances)
    for part in shown:
        expected = variances + part.error
        density -= part.freedom / 2 * np.log(expected) + part.squares / (2 * expected)
    weights = np.exp(density - density.max())
    mean, square = (float(np.average(values, weights=weights)) for values in (logs, logs**2))
    return of_logarithm(mean, square - mean**2)


def of_logarithm(mean: float, variance: float) -> Component:
    """Return a component by what is known of the logarithm of its variance: a mean, and a variance.

    The variance follows a scaled inverse chi-square distribution (Smyth 2004, section 6.2).
    """
    half = min(_inverse_trigamma(variance), MOST_FREEDOM / 2) if variance > 0 else MOST_FREEDOM / 2
    return Component(sd=math.exp((mean + float(digamma(half)) - math.log(half)) / 2), freedom=2 * half)


def _inverse_trigamma(value: float) -> float:
    """Solve trigamma(x) = ``value`` by Newton's method on 1 / trigamma (Smyth 2004, appendix)."""
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-8:  # noqa: PLR2004 -- it converges from below
            break
    return x


class _StackByRun(NamedTuple):
    """The interaction of stacks and runs, as some runs show it."""

    squares: float
    """The sum of its squares."""
    error: float
    """What errors within runs add to its mean square."""
    freedom: float
    """Its degrees of freedom; 0 if nothing is shown."""


def _stack_by_run(runs: Runs) -> _StackByRun:
    """Return the interaction that runs of the same stacks show.

    Stacks that are missing from a run, or whose error is unknown in one, are left out.
    """
    names = [name for name in runs[0] if all(name in run and run[name].error is not None for run in runs)]
    if len(names) < FEWEST or len(runs) < FEWEST:
        return _StackByRun(0.0, 0.0, 0.0)
    means = np.array([[run[name].mean for run in runs] for name in names])
    errors = [error.sd**2 for run in runs for name in names if (error := run[name].error) is not None]
    residuals = means - means.mean(axis=0) - means.mean(axis=1, keepdims=True) + means.mean()
    freedom = float((len(names) - 1) * (len(runs) - 1))
    return _StackByRun(float((residuals**2).sum()), float(np.mean(errors)), freedom)


def over(runs: Sequence[Estimate]) -> Estimate:
    """Return the mean of a stack's estimates in several runs, with its error within them."""
    errors = [run.error for run in runs if run.error is not None]
    count, together = len(runs), total(*errors)
    error = Component(sd=together.sd / count, freedom=together.freedom) if len(errors) == count else None
    return Estimate(mean=float(np.mean([run.mean for run in runs])), error=error, n=count)
