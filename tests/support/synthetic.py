"""Values drawn with a known truth, with the spread that was measured on real servers, and two of them compared."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from common.records.summary import Pair
from loadtests.analysis.comparison import pairs
from loadtests.analysis.thresholds import MARGIN

SERVER_SD = 0.034
"""Between fresh servers of one stack, as a standard deviation of logarithms."""
WINDOW_SD = 0.032
"""Between windows of one server."""
ROUND_SD = 0.10
"""Between rounds, shared by all cells of a round."""
OWN_SD = math.hypot(SERVER_SD, WINDOW_SD)

Values = dict[str, dict[int, float]]


def draw(
    rng: np.random.Generator,
    truths: Sequence[float],
    rounds: int,
    *,
    round_sd: float = ROUND_SD,
    disturbed: bool = False,
) -> Values:
    """Cells named by their place in ``truths``, with a value a round.

    Where ``disturbed``, 15 % of the servers are slowed by 5 to 30 %.
    """
    shape = (len(truths), rounds)
    logs = np.log(truths)[:, None] + rng.normal(0, round_sd, rounds) + rng.normal(0, OWN_SD, shape)
    if disturbed:
        logs += np.where(rng.random(shape) < 0.15, np.log1p(-rng.uniform(0.05, 0.30, shape)), 0)
    return {str(cell): dict(enumerate(row, 1)) for cell, row in enumerate(np.exp(logs).tolist())}


def compare_two(a: Mapping[int, float], b: Mapping[int, float], *, margin: float = MARGIN) -> Pair:
    """Return the pair of ``a`` and ``b``, compared on their own at a single look."""
    (pair,) = pairs({"a": a, "b": b}, margin=margin, looks=1)
    return pair


def mean_slowdown() -> float:
    """The effect of disturbance on the mean logarithm."""
    low, high = 0.70, 0.95  # the integral of log u over u, from its antiderivative u log u - u
    return 0.15 * ((high * math.log(high) - high) - (low * math.log(low) - low)) / (high - low)
