"""Student's t on paired log ratios, for many pairs at once: arrays in, arrays out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtr, stdtrit

from common.records.summary import Interval
from loadtests.analysis.intervals import log_interval

Array = npt.NDArray[np.float64]

POWER = 0.8
"""The chance of a decision that a number of rounds is planned for."""
FARTHEST_ROUNDS = 10_000
"""More rounds than this are out of reach."""


@dataclass(frozen=True, slots=True)
class LogRatios:
    """What the rounds say of each pair: how many rounds, the log ratios' means and standard deviations."""

    n: Array
    mean: Array
    sd: Array
    freedom: Array
    """Degrees of freedom of the standard deviations."""

    @classmethod
    def of(cls, logs: Array) -> "LogRatios":
        """From log ratios in rows (rounds) and columns (pairs), NaN where a round has none."""
        there = ~np.isnan(logs)
        n = there.sum(axis=0).astype(float)
        mean = np.where(there, logs, 0).sum(axis=0) / np.maximum(n, 1)
        squares = np.where(there, logs - mean, 0) ** 2
        return cls(n, mean, np.sqrt(squares.sum(axis=0) / np.maximum(n - 1, 1)), np.maximum(n - 1, 1))

    def different(self) -> Array:
        """p-values of the hypotheses that there is no difference; 1 where fewer than two rounds leave no spread."""
        return np.minimum(1, 2 * self._beyond(np.abs(self.mean)))

    def equivalent(self, band: float) -> Array:
        """p-values of the hypotheses that the log ratio lies outside +-``band``: two one-sided tests.

        Source: Schuirmann, J. Pharmacokin. Biopharm. 15 (1987). The larger of the two is the one on the nearer side.
        """
        return self._beyond(band - np.abs(self.mean))

    def rounds_needed(self, band: float, different: float, equivalent: float, power: float = POWER) -> Array:
        """Rounds, those made included, after which either test at its level decides with a chance of ``power`` or more.

        They stand on the estimates so far being the truth. NaN without a spread, infinite where out of reach.
        """
        distance = np.abs(self.mean)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.minimum(
                _rounds(self.sd / distance, different / 2, power),
                # Either of the two one-sided tests may miss.
                _rounds(self.sd / np.maximum(band - distance, 0), equivalent, (1 + power) / 2),
            )
        return np.where(self.n < 2, np.nan, np.where(found > FARTHEST_ROUNDS, np.inf, found))  # noqa: PLR2004

    def bounds(self, confidence: float) -> tuple[Array, Array]:
        """The ratios' lower and upper confidence limits; NaN for fewer than two rounds."""
        half = stdtrit(self.freedom, (1 + confidence) / 2) * self.sd / np.sqrt(np.maximum(self.n, 1))
        half = np.where(self.n < 2, np.nan, half)  # noqa: PLR2004
        return np.exp(self.mean - half), np.exp(self.mean + half)

    def _beyond(self, distance: Array) -> Array:
        """The chance of a mean by at least ``distance`` to one side where it truly is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = distance * np.sqrt(self.n) / self.sd
        t = np.where(np.isnan(t), 0, t)
        return np.where(self.n < 2, 1.0, stdtr(self.freedom, -t))  # noqa: PLR2004


def _rounds(relative_sd: Array, level: float, power: float) -> Array:
    """How many values a one-sided t test at ``level`` needs for ``power``, by Guenther's approximation.

    Source: W. C. Guenther, The American Statistician 35 (1981).
    """
    z = ndtri(1 - level)
    return np.ceil((z + ndtri(power)) ** 2 * relative_sd**2 + z**2 / 2)


def holm(p_values: Array, family: int | None = None) -> Array:
    """Adjusted p-values that hold the family-wise error rate (Holm 1979).

    ``family`` is how many hypotheses there are, where some of them have no p-value here and are not rejected.
    """
    order = np.argsort(p_values)
    steps = (len(p_values) if family is None else family) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(p_values[order] * steps)
    return np.minimum(adjusted, 1)


def paired_ratio(a: Mapping[int, float], b: Mapping[int, float]) -> Interval | None:
    """Return the geometric mean of the rounds' ratios of ``a`` to ``b``; ``None`` where no round has both.

    The interval is Student's t on the logarithms of the ratios.
    """
    return log_interval([a[number] / b[number] for number in sorted(a.keys() & b.keys())])
