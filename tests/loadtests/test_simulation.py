"""Methods keep their promises against a known truth: coverage, false alarms, order, and rounds saved by looks."""

import math

import numpy as np
import pytest
from scipy import stats

from common.records.summary import Component, Decision, Pair
from common.records.window import Window
from loadtests.analysis.between_runs import FEW
from loadtests.analysis.comparison import Variation, better_of, decide, pairs, worth_continuing
from loadtests.analysis.thresholds import LOOKS
from loadtests.experiments.loadtest.experiment import LoadTest
from loadtests.experiments.loadtest.report import summarise
from loadtests.statistics.intervals import log_interval, median_interval
from tests.support.records import cell, load, run, window
from tests.support.synthetic import OWN_SD, Values, compare_two, draw, mean_slowdown

pytestmark = pytest.mark.usefixtures("untraced")

ROUNDS = (5, 8, 20)
EXPERIMENTS = 6000
"""At a true coverage of 95 %, 99.9 % of such samples show between 94.1 and 95.9 %."""


def _coverage(rounds: int, *, round_sd: float, disturbed: bool = False, truth: float = 1000.0) -> float:
    rng = np.random.default_rng(rounds)
    covered = 0
    for _ in range(EXPERIMENTS):
        found = log_interval(list(draw(rng, [1000.0], rounds, round_sd=round_sd, disturbed=disturbed)["0"].values()))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    return covered / EXPERIMENTS


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("round_sd", [0.0, 0.10])
def test_intervals_cover_the_truth_in_95_percent_of_experiments(rounds: int, round_sd: float) -> None:
    assert 0.93 < _coverage(rounds, round_sd=round_sd) < 0.97


@pytest.mark.parametrize("rounds", ROUNDS)
def test_on_a_disturbed_machine_intervals_cover_the_disturbed_mean(rounds: int) -> None:
    """With 15 % of servers slowed, the mean that is covered is that of servers as they ran, slowed ones included."""
    truth = 1000 * math.exp(mean_slowdown())
    assert 0.93 < _coverage(rounds, round_sd=0.10, disturbed=True, truth=truth) < 0.97


@pytest.mark.parametrize(("rounds", "low"), [(5, 0.89), (8, 0.87), (20, 0.89)])
def test_intervals_are_too_narrow_if_disturbance_is_the_only_spread(rounds: int, low: float) -> None:
    """A known limit: without a shared effect of rounds the slowed servers' skew shows, and coverage falls to 89 %."""
    truth = 1000 * math.exp(mean_slowdown())
    assert low < _coverage(rounds, round_sd=0.0, disturbed=True, truth=truth) < 0.93


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("disturbed", [False, True])
def test_intervals_of_ratios_cover_the_true_ratio_with_any_round_effect(rounds: int, disturbed: bool) -> None:  # noqa: FBT001
    rng = np.random.default_rng(rounds)
    covered, experiments = 0, 3000
    for _ in range(experiments):
        values = draw(rng, [1000.0, 1100.0], rounds, disturbed=disturbed)
        ratio = compare_two(values["0"], values["1"]).ratio
        assert ratio is not None
        assert ratio.low is not None
        assert ratio.high is not None
        covered += ratio.low <= 1000 / 1100 <= ratio.high
    assert 0.93 < covered / experiments < 0.98


@pytest.mark.parametrize("rounds", [8, 20])
def test_intervals_between_order_statistics_cover_the_median_of_any_distribution(rounds: int) -> None:
    rng = np.random.default_rng(rounds)
    samples = rng.exponential(1, (4000, rounds))
    found = [median_interval(list(row)) for row in samples]
    covered = sum(one.low <= math.log(2) <= one.high for one in found if one and one.low and one.high)
    assert covered / len(samples) > 0.94


def _in_sequence(values: Values, between: Component | None = None) -> tuple[tuple[Pair, ...], Values]:
    """The pairs that a run ends with, and the values that it has measured: cells drop out as they do in a real one."""
    measured: Values = {name: {} for name in values}
    found: tuple[Pair, ...] = ()
    active, made = frozenset(values), 0
    for look in LOOKS:
        for name in active:
            measured[name] |= {number: values[name][number] for number in range(made + 1, look + 1)}
        found, made = pairs(measured, decided=found, variation=Variation(between=between)), look
        if not (active := worth_continuing(active, found, rounds_left=LOOKS[-1] - look)):
            break
    return found, measured


@pytest.mark.parametrize("step", [0.0, 0.02, 0.05, 0.25])
def test_a_run_makes_exactly_the_windows_that_the_simulation_draws(step: float) -> None:
    """So what is simulated here is what the runner does."""
    for seed in range(6):
        values = draw(np.random.default_rng(seed), [1000 * (1 + step) ** place for place in range(5)], 20)
        made, windows = (
            run([cell(name) for name in values], rounds=20, looks=list(LOOKS), server_cores=[], between_runs=FEW),
            list[Window](),
        )
        while batch := LoadTest(made).remaining(windows).batch:
            windows += [window(one.cell, one.round, load(10**9, 1e9 / values[one.cell][one.round])) for one in batch]
        found, measured = _in_sequence(values, FEW)
        assert {(one.cell, one.round) for one in windows} == {(name, n) for name in measured for n in measured[name]}
        ended = summarise(made, windows)
        assert [pair.decision for pair in ended.pairs] == [pair.decision for pair in found]


def _wrong(found: tuple[Pair, ...], truths: list[float]) -> bool:
    """Whether a pair is called different that is not, or the other way round."""
    named = [(pair, better_of(pair)) for pair in found]
    return any(better and truths[int(better)] <= min(truths[int(p.a)], truths[int(p.b)]) for p, better in named)


@pytest.mark.parametrize("disturbed", [False, True])
def test_eight_identical_cells_are_told_apart_in_at_most_5_percent_of_runs(disturbed: bool) -> None:  # noqa: FBT001
    """Under the sequential plan, any pair counted; the upper 97.5 % limit of the rate seen has to be below 5 %."""
    rng, experiments = np.random.default_rng(11), 1500 if disturbed else 4000
    truths = [1000.0] * 8
    wrong = sum(_wrong(_in_sequence(draw(rng, truths, 20, disturbed=disturbed))[0], truths) for _ in range(experiments))
    assert stats.binomtest(wrong, experiments).proportion_ci(0.95).high < 0.05


def test_cells_at_the_edge_of_the_margin_are_called_equivalent_in_at_most_5_percent_of_runs() -> None:
    rng, experiments = np.random.default_rng(12), 1500
    truths = [1000.0, 1050.0] * 3
    wrong = 0
    for _ in range(experiments):
        found, _ = _in_sequence(draw(rng, truths, 20))
        called = [pair for pair in found if pair.decision is Decision.EQUIVALENT]
        wrong += any(truths[int(pair.a)] != truths[int(pair.b)] for pair in called)
    assert stats.binomtest(wrong, experiments).proportion_ci(0.95).high < 0.05


@pytest.mark.parametrize(("spread", "most"), [("each 25 % apart", 0.4), ("within 25 %", 0.8)])
def test_twelve_cells_are_never_ordered_wrongly_and_need_fewer_rounds_than_20(spread: str, most: float) -> None:
    """Within 25 %, neighbours are 2 % apart, beyond 20 rounds: what is saved is the rounds that would not decide."""
    rng, experiments = np.random.default_rng(13), 1000
    truths = [1000 * 1.25 ** (place if spread == "each 25 % apart" else place / 11) for place in range(12)]
    windows = 0
    for _ in range(experiments):
        found, measured = _in_sequence(draw(rng, truths, 20))
        assert not _wrong(found, truths)
        windows += sum(map(len, measured.values()))
    assert windows / (experiments * 12 * 20) < most


def test_most_pairs_out_of_reach_would_not_have_been_decided() -> None:
    """The price, with stacks 8 % apart: half the rounds, for 17 points fewer of the pairs decided."""
    rng, decided = np.random.default_rng(16), {"all": 0, "fewer": 0}
    for _ in range(200):
        values = draw(rng, [1000 * 1.08**place for place in range(4)], 20)
        for name, found in (("all", decide(values)), ("fewer", _in_sequence(values)[0])):
            decided[name] += sum(pair.decision is not Decision.UNDECIDED for pair in found)
    assert decided["all"] > 0.95 * 200 * 6
    assert decided["fewer"] > 0.80 * 200 * 6


def test_looks_are_replayed_from_what_was_measured_to_the_same_decisions() -> None:
    """So a run that was resumed, or read again, says what the run said."""
    rng = np.random.default_rng(14)
    for _ in range(50):
        found, measured = _in_sequence(draw(rng, [1000.0, 1010.0, 1200.0, 1400.0], 20))
        assert decide(measured) == found


@pytest.mark.parametrize("ratio", [1.0, 1.03, 1.06])
def test_the_forecast_of_rounds_decides_at_least_four_times_in_five(ratio: float) -> None:
    """The forecast is asked of four rounds whose estimates are the truth, and then tried on fresh ones."""
    noise = [(-1) ** number * math.sqrt(2) * OWN_SD * math.sqrt(3 / 4) for number in range(4)]
    pilot = {number: 1000 * ratio * math.exp(one) for number, one in enumerate(noise)}
    needed = compare_two(pilot, dict.fromkeys(pilot, 1000.0)).rounds_needed
    assert needed is not None
    rng, experiments = np.random.default_rng(15), 1000
    decided = 0
    for _ in range(experiments):
        values = draw(rng, [1000 * ratio, 1000.0], 4 + needed)
        decided += compare_two(values["0"], values["1"]).decision is not Decision.UNDECIDED
    assert decided / experiments > 0.77  # 80 %, less what chance takes from 1,000
    assert decided / experiments < 0.97 or ratio == 1.03  # there, either decision may come
