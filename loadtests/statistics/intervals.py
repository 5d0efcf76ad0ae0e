"""Estimates with confidence intervals, from independent values. Pure functions on numbers.

Each window measures one fresh server, so values are independent, and their logarithms are close to normal.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr, stdtrit

from common.records.summary import Interval

CONFIDENCE = 0.95


def log_interval(values: Sequence[float]) -> Interval | None:
    """Return the geometric mean of positive values, with Student's t interval on logarithms; ``None`` for no values."""
    if not values:
        return None
    logs = np.log(values)
    mean = float(logs.mean())
    if len(values) == 1:
        return Interval(estimate=math.exp(mean), low=None, high=None, n=1)
    half = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * logs.std(ddof=1)) / math.sqrt(len(values))
    return Interval(estimate=math.exp(mean), low=math.exp(mean - half), high=math.exp(mean + half), n=len(values))


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
    half = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * error
    return Interval(estimate=mean, low=mean - half, high=mean + half, n=len(values))


def scaled(interval: Interval, factor: float) -> Interval:
    """Return the interval multiplied by a positive factor."""
    return Interval(
        estimate=interval.estimate * factor,
        low=None if interval.low is None else interval.low * factor,
        high=None if interval.high is None else interval.high * factor,
        n=interval.n,
    )
