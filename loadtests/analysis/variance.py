"""Where the spread of values comes from: rounds or servers. Pure."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from common.records.summary import Spread
from loadtests.analysis.paired import Array


def spread(values: Mapping[str, Mapping[int, float]]) -> Spread | None:
    """The standard deviations of what rounds share and of what fresh servers have of their own, on logarithms.

    Cells need not all be in each round. ``None`` where no two cells have two rounds in common. Estimated by
    Henderson's method 3 (Biometrics 9, 1953) in the model cell + round + server; a negative variance is 0.
    """
    rows = [(cell, number, math.log(value)) for cell, found in values.items() for number, value in found.items()]
    if not rows:
        return None
    cells, rounds, logs = zip(*rows, strict=True)
    by_cell, by_round, logs_ = indicators(cells), indicators(rounds), np.array(logs)
    alone, both = _residual(by_cell, logs_), _residual(np.hstack([by_cell, by_round]), logs_)
    if not both.freedom or alone.freedom == both.freedom:
        return None
    own = both.squares / both.freedom
    shared = alone.squares - both.squares - (alone.freedom - both.freedom) * own
    return Spread(rounds=math.sqrt(max(0.0, shared / (len(rows) - by_cell.shape[1]))), servers=math.sqrt(own))


def indicators(labels: Sequence[object]) -> Array:
    """Return a column for each distinct label, 1 where it stands."""
    columns = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    found = np.zeros((len(labels), len(columns)))
    found[np.arange(len(labels)), [columns[label] for label in labels]] = 1
    return found


class _Residual:
    """What a least-squares fit leaves: sum of squares, and degrees of freedom."""

    def __init__(self, squares: float, freedom: int) -> None:
        self.squares = squares
        self.freedom = freedom


def _residual(design: Array, logs: Array) -> _Residual:
    fit, _, rank, _ = np.linalg.lstsq(design, logs, rcond=None)
    return _Residual(float(((logs - design @ fit) ** 2).sum()), len(logs) - int(rank))
