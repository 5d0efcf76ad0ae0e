"""The parts of the spread of values that come from rounds and from servers. Pure."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from common.records.summary import Spread
from loadtests.statistics.paired import Array


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
