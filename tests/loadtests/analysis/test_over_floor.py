"""The cost over the floor of a run holds in other runs, whatever its stacks and the machine vary by."""

import math

import numpy as np
from msgspec.structs import replace

from common.records.run import Design
from common.records.summary import Interval
from loadtests.analysis.between_runs import FEW, LEVEL
from loadtests.analysis.over_floor import costs_over_floor
from tests.support.records import SLICING, cell, run
from tests.support.synthetic import Values

FLOOR_S, OWN_S = 50e-6, 80e-6
MADE = run(
    [cell("raw_wsgi+g", version=None), cell("flask+g"), cell("flask#2", server="g", control_of="flask+g")],
    design=Design.SLICED,
    slicing=SLICING,
)


def _values(rng: np.random.Generator, by_run: float, level: float) -> Values:
    """Return the rates by round of a floor and of a framework, in a run that varies from others."""
    shared = rng.normal(0, level) + rng.normal(0, 0.03, 8)
    logs = [-math.log(cost) + rng.normal(0, by_run) + shared + rng.normal(0, 0.008, 8) for cost in (FLOOR_S, OWN_S)]
    rates = [dict(enumerate(np.exp(row).tolist(), 1)) for row in logs]
    return {"raw_wsgi+g": rates[0], "flask+g": rates[1], "flask#2": rates[1]}


def _covers(interval: Interval, value: float) -> bool:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low <= value <= interval.high


def test_intervals_cover_the_truth_in_95_percent_of_runs() -> None:
    rng = np.random.default_rng(51)
    found = [costs_over_floor(MADE, _values(rng, FEW.sd, LEVEL.sd))["flask+g"] for _ in range(2_000)]
    assert 0.93 <= np.mean([_covers(one, OWN_S - FLOOR_S) for one in found]) <= 0.98


def test_a_comparison_is_about_its_own_rounds() -> None:
    rng = np.random.default_rng(52)
    values = _values(rng, FEW.sd, LEVEL.sd)
    usual, own = (costs_over_floor(one, values)["flask+g"] for one in (MADE, replace(MADE, design=Design.DUET)))
    assert own.estimate == usual.estimate
    assert (own.low or 0) > (usual.low or 0) > 0


def test_floors_and_stacks_without_common_rounds_have_none_and_a_single_round_no_bounds() -> None:
    bare, own = {1: 1 / FLOOR_S}, {1: 1 / OWN_S}
    found = costs_over_floor(MADE, {"raw_wsgi+g": bare, "flask+g": own, "flask#2": {2: 1.0}})
    assert found.keys() == {"flask+g"}
    assert (found["flask+g"].low, found["flask+g"].n) == (None, 1)
