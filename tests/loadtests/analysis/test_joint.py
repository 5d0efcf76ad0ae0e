"""What runs say together covers the truth, whatever stacks vary by from run to run."""

import math

import numpy as np
import pytest
from msgspec.structs import replace

from common.records.figure import Figure, Metric
from common.records.summary import BetweenRuns, Component, Interval
from loadtests.analysis.between_runs import FEW, LEVEL, in_another_run
from loadtests.analysis.joint import Joint, joint
from loadtests.statistics.components import Estimate, total
from tests.support.figures import figure

STACKS, ROUNDS = 11, 8
VALUE_SD = 0.012
BOARDS = 2_000


def _board(rng: np.random.Generator, by_run: float, runs: int) -> dict[str, dict[int, Estimate]]:
    """Return the estimates of stacks whose true logarithm is their number, in runs that differ as wholes."""
    return {f"r{number}": _run(rng, by_run) for number in range(runs)}


def _run(rng: np.random.Generator, by_run: float) -> dict[int, Estimate]:
    """Return the estimates of a run whose rounds share what the machine does to them."""
    logs = np.arange(STACKS)[:, None] + rng.normal(0, LEVEL.sd) + rng.normal(0, by_run, (STACKS, 1))
    logs = logs + rng.normal(0, 0.03, ROUNDS) + rng.normal(0, VALUE_SD, (STACKS, ROUNDS))
    residuals = logs - logs.mean(axis=0) - logs.mean(axis=1, keepdims=True) + logs.mean()
    freedom = (STACKS - 1) * (ROUNDS - 1)
    error = Component(sd=math.sqrt((residuals**2).sum() / freedom / ROUNDS), freedom=freedom)
    return {stack: Estimate(mean=float(mean), error=error, n=ROUNDS) for stack, mean in enumerate(logs.mean(axis=1))}


def _covers(interval: Interval, log: float) -> bool:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low <= math.exp(log) <= interval.high


def _ratio(found: Joint[int], a: int, b: int) -> Interval:
    first, second = found.rates[a], found.rates[b]
    assert first.error is not None
    assert second.error is not None
    error = total(first.error, second.error)
    return Estimate(mean=first.mean - second.mean, error=error, n=found.count).interval(found.of_mean, found.of_mean)


@pytest.mark.parametrize(("by_run", "runs"), [(0.0035, 1), (0.0041, 2), (0.0035, 3), (0.0041, 6)])
def test_pooled_intervals_of_ratios_cover_the_truth_in_95_percent_of_boards(by_run: float, runs: int) -> None:
    """Each simulated board is one machine with its runs; a pair of neighbours is drawn from each."""
    rng = np.random.default_rng(41)
    covered = []
    for _ in range(BOARDS):
        made = _board(rng, by_run, runs)
        found = joint(made, FEW) if runs > 1 else Joint(rates=made["r0"], between=FEW, count=1)
        place = int(rng.integers(STACKS - 1))
        covered.append(_covers(_ratio(found, place + 1, place), 1.0))
    assert 0.93 <= np.mean(covered) <= 0.97


def test_what_a_run_does_to_all_stacks_is_in_no_ratio_and_in_every_absolute_rate() -> None:
    """The interval for dollars holds the rate of another run, with what that run does to all stacks."""
    rng, covered, without = np.random.default_rng(42), [], []
    for _ in range(BOARDS):
        made = _board(rng, FEW.sd, 4)
        *earlier, last = made.values()
        found = joint(dict(zip("abc", earlier, strict=True)), FEW)
        rate = found.rates[5]
        whole = in_another_run(_figure(rate, found.between, runs=3))
        covered.append(_covers(whole, last[5].mean))
        without.append(_covers(rate.interval(found.of_mean), last[5].mean))
    assert 0.93 <= np.mean(covered) <= 0.98
    assert np.mean(without) < 0.5


def _figure(rate: Estimate, between: BetweenRuns, runs: int) -> Figure:
    pooled = [str(number) for number in range(runs)]
    made = figure(Metric.REQUESTS_PER_CPU_S, 1.0, error=rate.error, between_runs=between, pooled=pooled)
    return replace(made, value=rate.interval())


def test_a_rate_whose_error_is_unknown_keeps_its_interval() -> None:
    one = figure(Metric.REQUESTS_PER_CPU_S, 1000.0, bounds=(900.0, 1100.0))
    assert in_another_run(one) == one.value


def test_what_earlier_runs_showed_is_not_estimated_again() -> None:
    rng = np.random.default_rng(43)
    known = BetweenRuns(sd=0.02, freedom=40, runs=["x", "y", "z"])
    assert joint(_board(rng, 0.001, 3), known).between == known
    shown = joint(_board(rng, 0.001, 3), FEW).between
    assert (shown.runs, shown.sd < FEW.sd) == (["r0", "r1", "r2"], True)
