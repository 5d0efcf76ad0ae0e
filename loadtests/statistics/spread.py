"""The spread of values within rounds: its parts, and that of each cell, moderated by that of all. Pure.

A handful of rounds says little about the spread of one cell, and a cell whose values happen to lie close together would
look better known than it is. The spreads of all cells together say what a spread is like here; each cell's own is drawn
towards that, by as much as they resemble each other (G. K. Smyth, Statistical Applications in Genetics and Molecular
Biology 3, 2004: the moderated t statistic).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, polygamma

from common.records.summary import Component, Spread
from loadtests.statistics.components import Estimate, of_logarithm
from loadtests.statistics.intervals import Array

Values = Mapping[str, Mapping[int, float]]
"""Each cell's value by round."""
ROUNDING = 1e-9
"""Degrees of freedom and weights below this are errors of rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """A cell's mean logarithm, adjusted for the rounds in which it was measured, and what spreads around it."""

    mean: float
    error: float
    """The standard error of the mean."""
    variance: float
    """Of one value within its round, moderated."""
    freedom: float
    """Degrees of freedom of the variance."""
    n: int

    @property
    def estimate(self) -> Estimate:
        """The mean with its error, which holds for the rounds that were made."""
        is_known = math.isfinite(self.error) and self.freedom > 0
        error = Component(sd=self.error, freedom=self.freedom) if is_known else None
        return Estimate(mean=self.mean, error=error, n=self.n)


def adjusted(values: Values) -> dict[str, Adjusted]:
    """Return every cell with values in the least-squares fit of cells and rounds to the logarithms.

    Means refer to the average round, so that cells measured in different rounds can be compared. The mean of a cell
    that missed rounds stands on what the others say of those rounds, and its error contains theirs. A value that is
    alone in its round says nothing about spreads. A cell whose values are all alone in their rounds has an infinite
    variance. If there is only one cell, nothing is known about rounds, and its spread is that of its values.
    """
    rows = [(cell, number, math.log(value)) for cell, found in values.items() for number, value in found.items()]
    if not rows:
        return {}
    cells, rounds, logs_ = (list(column) for column in zip(*rows, strict=True))
    logs, by_cell, by_round = np.array(logs_), indicators(cells), indicators(rounds)
    names, counts = list(dict.fromkeys(cells)), by_cell.sum(axis=0)
    centred = by_round - by_round.mean(axis=0)  # so that a cell's coefficient is its mean in the average round
    design = np.hstack([by_cell, centred]) if len(names) > 1 else by_cell
    # By the normal equations, which are far smaller than the design; of 0 and about 1, they are well conditioned.
    inverse = np.linalg.pinv(design.T @ design, rcond=ROUNDING, hermitian=True) @ design.T
    weights = inverse[: len(names)]  # of each value in each cell's mean
    means, residuals = weights @ logs, logs - design @ (inverse @ logs)
    freedom = by_cell.T @ (1 - np.einsum("ij,ji->i", design, inverse))  # 1 less the leverage of each value
    known = freedom > ROUNDING
    variances = np.where(known, by_cell.T @ residuals**2 / np.where(known, freedom, 1), np.inf)
    variances[known], freedom[known] = moderate(variances[known], freedom[known])
    squares = np.where(np.abs(weights) > ROUNDING, weights, 0) ** 2
    noise = variances[by_cell.argmax(axis=1)]
    errors = np.sqrt(np.multiply(squares, noise, out=np.zeros_like(squares), where=squares > 0).sum(axis=1))
    return {
        name: Adjusted(
            mean=float(means[i]),
            error=float(errors[i]),
            variance=float(variances[i]),
            freedom=float(freedom[i]),
            n=int(counts[i]),
        )
        for i, name in enumerate(names)
    }


def are_connected(values: Values) -> bool:
    """Return whether common rounds link all cells, directly or through others, so that they can be fitted together."""
    groups: list[set[int]] = []
    for by_round in values.values():
        linked = [group for group in groups if group & by_round.keys()]
        groups = [group for group in groups if group not in linked] + [set(by_round).union(*linked)]
    return len(groups) <= 1


def moderate(variances: Array, freedom: Array) -> tuple[Array, Array]:
    """Return the variances drawn towards what they have in common, and their degrees of freedom.

    The common variance follows a scaled inverse chi-square distribution, fitted to the logarithms' mean and variance.
    """
    usable = variances > 0
    if usable.sum() < 2:  # noqa: PLR2004 -- nothing in common
        return variances, freedom
    half = freedom[usable] / 2
    logs = np.log(variances[usable]) - digamma(half) + np.log(half)
    excess = float(logs.var(ddof=1) - polygamma(1, half).mean())
    common = of_logarithm(float(logs.mean()), excess)
    moderated = (common.freedom * common.sd**2 + freedom * variances) / (common.freedom + freedom)
    return moderated, np.minimum(common.freedom + freedom, freedom.sum())


def spread(values: Mapping[str, Mapping[int, float]]) -> Spread | None:
    """Return the standard deviations between rounds and between fresh servers within a round, on logarithms.

    Cells may be missing from some rounds. ``None`` if no two cells have two rounds in common. Estimated by Henderson's
    method 3 (Biometrics 9, 1953) in the model cell + round + server; a negative variance becomes 0.
    """
    rows = [(cell, number, math.log(value)) for cell, by_round in values.items() for number, value in by_round.items()]
    if not rows:
        return None
    cells, rounds, logs = zip(*rows, strict=True)
    cell_columns, round_columns, log_values = indicators(cells), indicators(rounds), np.array(logs)
    alone = _residual(cell_columns, log_values)
    both = _residual(np.hstack([cell_columns, round_columns]), log_values)
    if not both.freedom or alone.freedom == both.freedom:
        return None
    own = both.squares / both.freedom
    shared = alone.squares - both.squares - (alone.freedom - both.freedom) * own
    return Spread(rounds=math.sqrt(max(0.0, shared / (len(rows) - cell_columns.shape[1]))), servers=math.sqrt(own))


def indicators(labels: Sequence[object]) -> Array:
    """Return a column of 0 and 1 for each distinct label."""
    columns = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    matrix = np.zeros((len(labels), len(columns)))
    matrix[np.arange(len(labels)), [columns[label] for label in labels]] = 1
    return matrix


class _Residual:
    """The residual sum of squares of a least-squares fit, and its degrees of freedom."""

    def __init__(self, squares: float, freedom: int) -> None:
        self.squares = squares
        self.freedom = freedom


def _residual(design: Array, logs: Array) -> _Residual:
    fit, _, rank, _ = np.linalg.lstsq(design, logs, rcond=None)
    return _Residual(float(((logs - design @ fit) ** 2).sum()), len(logs) - int(rank))
