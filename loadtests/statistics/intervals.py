"""Estimates with confidence intervals from independent values, and t tests on paired ones. Pure functions on numbers.

Each window measures one fresh server, so values are independent, and their logarithms are close to normal. Pairs are
compared by Student's t tests on their log ratios, many pairs at once.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, ndtri, stdtr, stdtrit

from common.records.summary import Component, Interval

CONFIDENCE = 0.95
Array = npt.NDArray[np.float64]
POWER = 0.8
"""The probability of a decision for which a number of rounds is planned."""
FARTHEST_ROUNDS = 10_000
"""A larger number of rounds counts as out of reach."""


def student_t(freedom: float, confidence: float = CONFIDENCE) -> float:
    """Return the half-width of an interval in standard errors."""
    return float(stdtrit(freedom, (1 + confidence) / 2))


def geometric(mean: float, half: float, n: int) -> Interval:
    """Return the interval whose logarithm is ``mean`` plus or minus ``half``; without bounds unless that is finite."""
    low, high = (math.exp(mean - half), math.exp(mean + half)) if math.isfinite(half) else (None, None)
    return Interval(estimate=math.exp(mean), low=low, high=high, n=n)


def log_interval(values: Sequence[float]) -> Interval | None:
    """Return the geometric mean of positive values, with Student's t interval on logarithms; ``None`` for no values."""
    if not values:
        return None
    logs, count = np.log(values), len(values)
    half = student_t(count - 1) * float(logs.std(ddof=1)) / math.sqrt(count) if count > 1 else math.inf
    return geometric(float(logs.mean()), half, count)


def median_interval(values: Sequence[float]) -> Interval | None:
    """Return the median, with the narrowest interval between order statistics that has at least 95 % coverage.

    It needs no assumption about the distribution. With fewer than 6 values there are no bounds: the extremes of 5 miss
    the median in 6 % of samples. ``None`` for no values. Source: David & Nagaraja, Order Statistics, 7.1.
    """
    if not values:
        return None
    ordered, count = np.sort(values), len(values)
    # Between the k-th smallest and the k-th largest the median is missed with probability 2 P(Binomial(n, 1/2) < k).
    missed = 2 * bdtr(np.arange(count // 2 + 1), count, 0.5)
    inside = int(np.count_nonzero(missed <= 1 - CONFIDENCE))
    low, high = (float(ordered[inside - 1]), float(ordered[-inside])) if inside else (None, None)
    return Interval(estimate=float(np.median(ordered)), low=low, high=high, n=count)


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Return the mean with Student's t interval; ``None`` for no values."""
    if not values:
        return None
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(estimate=mean, low=None, high=None, n=1)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = student_t(len(values) - 1) * error
    return Interval(estimate=mean, low=mean - half, high=mean + half, n=len(values))


def most_failing(starts: int) -> float:
    """Return the upper 95 % bound on the share of starts that fail, when none of this many independent ones did.

    Source: C. Clopper and E. Pearson, Biometrika 26 (1934), for no failure.
    """
    return float(1 - (1 - CONFIDENCE) ** (1 / starts))


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are known; ``None`` if none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def scaled(interval: Interval, factor: float) -> Interval:
    """Return the interval multiplied by a positive factor."""
    return Interval(
        estimate=interval.estimate * factor,
        low=None if interval.low is None else interval.low * factor,
        high=None if interval.high is None else interval.high * factor,
        n=interval.n,
    )


@dataclass(frozen=True, slots=True)
class LogRatios:
    """For each pair: the number of rounds, and the mean and standard deviation of its log ratios."""

    n: Array
    mean: Array
    sd: Array
    freedom: Array
    """The degrees of freedom of the standard deviations."""
    between: Component | None = None
    """What each side of a ratio varies by from run to run, which more rounds do not reduce."""

    @classmethod
    def of(cls, logs: Array) -> "LogRatios":
        """Create from log ratios with rounds in rows and pairs in columns; NaN if a round has no ratio."""
        present = ~np.isnan(logs)
        n = present.sum(axis=0).astype(float)
        mean = np.where(present, logs, 0).sum(axis=0) / np.maximum(n, 1)
        squares = np.where(present, logs - mean, 0) ** 2
        return cls(n, mean, np.sqrt(squares.sum(axis=0) / np.maximum(n - 1, 1)), np.maximum(n - 1, 1))

    def different(self) -> Array:
        """Return p-values for the hypotheses of no difference; 1 with fewer than two rounds, which have no spread."""
        return np.minimum(1, 2 * self._beyond(np.abs(self.mean)))

    def equivalent(self, band: float) -> Array:
        """Return p-values for the hypotheses that the log ratio lies outside +-``band``: two one-sided tests.

        The larger of the two p-values, which counts, is that of the nearer bound. Source: Schuirmann, J. Pharmacokin.
        Biopharm. 15 (1987).
        """
        return self._beyond(band - np.abs(self.mean))

    def rounds_needed(self, band: float, different: float, equivalent: float, power: float = POWER) -> Array:
        """Return the total rounds after which either test, at its level, decides with probability ``power`` or more.

        They stand on the estimates so far being the truth. NaN without a spread, infinite where out of reach.
        """
        distance = np.abs(self.mean)
        with np.errstate(divide="ignore", invalid="ignore"):
            rounds = np.minimum(
                self._rounds(distance, different / 2, power),
                # Either of the two one-sided tests may miss.
                self._rounds(np.maximum(band - distance, 0), equivalent, (1 + power) / 2),
            )
        return self._within_reach(rounds)

    def rounds_to_tell_from(self, bound: float, level: float, power: float = POWER) -> Array:
        """Return the total rounds after which a one-sided test at ``level`` tells the log ratio from ``bound``.

        They are as many as give a probability of ``power``, and stand on the estimates as ``rounds_needed``.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            rounds = self._rounds(np.abs(self.mean - bound), level, power)
        return self._within_reach(rounds)

    def _within_reach(self, rounds: Array) -> Array:
        """Return numbers of rounds, NaN where there is no spread and infinite where they are out of reach."""
        return np.where(self.n < 2, np.nan, np.where(rounds > FARTHEST_ROUNDS, np.inf, rounds))  # noqa: PLR2004

    def bounds(self, confidence: float) -> tuple[Array, Array]:
        """Return the ratios' lower and upper confidence limits; NaN with fewer than two rounds."""
        error, freedom = self._error()
        half = stdtrit(freedom, (1 + confidence) / 2) * error
        half = np.where(self.n < 2, np.nan, half)  # noqa: PLR2004
        return np.exp(self.mean - half), np.exp(self.mean + half)

    def _beyond(self, distance: Array) -> Array:
        """Return the probability of a mean at least ``distance`` to one side if the true mean is 0."""
        error, freedom = self._error()
        with np.errstate(divide="ignore", invalid="ignore"):
            t = distance / error
        t = np.where(np.isnan(t), 0, t)
        return np.where(self.n < 2, 1.0, stdtr(freedom, -t))  # noqa: PLR2004

    def _error(self) -> tuple[Array, Array]:
        """Return the standard errors of the means, and their degrees of freedom (Satterthwaite, Biometrics 2, 1946)."""
        own = self.sd**2 / np.maximum(self.n, 1)
        if self.between is None:
            return np.sqrt(own), self.freedom
        between = self._between()
        freedom = (own + between) ** 2 / (own**2 / self.freedom + between**2 / self.between.freedom)
        return np.sqrt(own + between), freedom

    def _between(self) -> float:
        """Return the variance of a ratio from run to run: that of its two sides."""
        return 0.0 if self.between is None else 2 * self.between.sd**2

    def _rounds(self, distance: Array, level: float, power: float) -> Array:
        """Return how many rounds a one-sided t test at ``level`` needs to see ``distance`` with ``power``.

        By the approximation of W. C. Guenther, The American Statistician 35 (1981). Infinite where the variation from
        run to run alone hides the distance.
        """
        z = ndtri(1 - level)
        allowed = (distance / (z + ndtri(power))) ** 2 - self._between()
        return np.where(allowed > 0, np.ceil(self.sd**2 / allowed + z**2 / 2), np.inf)


def holm(p_values: Array, family: int | None = None) -> Array:
    """Return p-values adjusted to control the family-wise error rate (Holm 1979).

    ``family`` is the number of hypotheses if some have no p-value here; those are not rejected.
    """
    order = np.argsort(p_values)
    steps = (len(p_values) if family is None else family) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(p_values[order] * steps)
    return np.minimum(adjusted, 1)


def paired_ratio(a: Mapping[int, float], b: Mapping[int, float]) -> Interval | None:
    """Return the geometric mean of the rounds' ratios of ``a`` to ``b``; ``None`` if no round has both.

    The interval is Student's t on the logarithms of the ratios.
    """
    return log_interval([a[number] / b[number] for number in sorted(a.keys() & b.keys())])
