"""The sliced design keeps its promises where the truth is known, with the spread that was measured on real servers.

Rounds share an effect that carries over to the next one, each stack has a spread of its own, tails are heavy, and every
seventh server is slowed.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from common.records.run import Design
from common.records.summary import Component, Decision, Pair, Verdict
from loadtests.analysis.between_runs import FEW, MANY
from loadtests.analysis.comparison import Variation, better_of, pairs, rank_ranges, worth_continuing
from loadtests.analysis.controls import watch
from loadtests.analysis.dropping import half_width
from loadtests.analysis.joint import Joint, joint
from loadtests.analysis.rates import estimates_of
from loadtests.analysis.thresholds import FALSE_ALARMS, FEWEST_CHANCE, FEWEST_ROUNDS, SLICED_LOOKS
from loadtests.statistics.components import Estimate, total
from loadtests.statistics.spread import adjusted
from tests.support.records import SLICING, cell, run
from tests.support.synthetic import Values

pytestmark = pytest.mark.usefixtures("untraced")

SERVER_SD = 0.008
"""Between fresh servers of one stack, within a round, as a standard deviation of logarithms; the median over stacks."""
HETEROGENEITY = 0.4
"""The spread of the stacks in it, as a standard deviation of its logarithm."""
ROUND_SD = 0.03
CARRY_OVER = 0.6
"""Autocorrelation of the effects of rounds."""
TAILS = 3
"""Degrees of freedom of Student's t."""
SLOWED, SLOWDOWN = 0.15, 0.02
"""Share of the servers that are slowed, and by how much on average (exponentially distributed)."""
EXPERIMENTS = 400
STACKS = 11


def _draw(
    rng: np.random.Generator, truths: Sequence[float], rounds: int = SLICED_LOOKS[-1], by_run: float = 0.0
) -> tuple[Values, list[float]]:
    """Return values by round, and the effects of the rounds; each stack varies ``by_run`` from run to run."""
    effects = [rng.normal(0, ROUND_SD)]
    for _ in range(rounds - 1):
        effects.append(CARRY_OVER * effects[-1] + rng.normal(0, ROUND_SD * math.sqrt(1 - CARRY_OVER**2)))
    shape = (len(truths), rounds)
    own = SERVER_SD * np.exp(rng.normal(0, HETEROGENEITY, (len(truths), 1)))
    noise = rng.standard_t(TAILS, shape) / math.sqrt(TAILS / (TAILS - 2))
    slowed = (rng.random(shape) < SLOWED) * rng.exponential(SLOWDOWN, shape)
    of_run = rng.normal(0, by_run, (len(truths), 1)) if by_run else 0.0
    logs = np.log(truths)[:, None] + of_run + np.array(effects) + own * noise - slowed
    return {str(cell): dict(enumerate(row, 1)) for cell, row in enumerate(np.exp(logs).tolist())}, effects


def _in_sequence(
    values: Values, rounds: int = SLICED_LOOKS[-1], between: Component | None = None
) -> tuple[tuple[Pair, ...], Values]:
    """Return the pairs that a run of at most so many rounds ends with, and the values that it has measured."""
    measured: Values = {name: {} for name in values}
    found: tuple[Pair, ...] = ()
    active, made = frozenset(values), 0
    for look in (look for look in SLICED_LOOKS if look <= rounds):
        for name in active:
            measured[name] |= {number: values[name][number] for number in range(made + 1, look + 1)}
        variation = Variation(steadied_by=measured, between=between)
        options = {"looks": len(SLICED_LOOKS), "decided": found, "variation": variation}
        hopeful = pairs(measured, **options, power=FEWEST_CHANCE)  # type: ignore[arg-type]
        found, made = pairs(measured, **options), look  # type: ignore[arg-type]
        if not (active := worth_continuing(active, hopeful, rounds_left=SLICED_LOOKS[-1] - look)):
            break
    return found, measured


def _average(effects: Sequence[float], measured: Values) -> float:
    """Return the mean effect of the rounds over all values that were measured."""
    numbers = [number for by_round in measured.values() for number in by_round]
    return math.fsum(effects[number - 1] for number in numbers) / len(numbers)


def test_intervals_of_rows_and_of_ratios_cover_the_truth_after_stopping() -> None:
    rng = np.random.default_rng(21)
    truths = [1000 * 1.03**place for place in range(STACKS)]
    rows, ratios, mean_slowdown = [], [], SLOWED * SLOWDOWN
    for _ in range(EXPERIMENTS):
        values, effects = _draw(rng, truths)
        found, measured = _in_sequence(values)
        average = _average(effects, measured)
        for name, one in adjusted(measured).items():
            interval = one.estimate.interval()
            truth = truths[int(name)] * math.exp(average - mean_slowdown)
            rows.append(bool(interval.low and interval.high and interval.low <= truth <= interval.high))
        for pair in found:
            assert pair.ratio is not None
            assert pair.ratio.low is not None
            assert pair.ratio.high is not None
            ratios.append(pair.ratio.low <= truths[int(pair.a)] / truths[int(pair.b)] <= pair.ratio.high)
    assert 0.93 < np.mean(rows) < 0.97
    assert 0.93 < np.mean(ratios) < 0.97


def test_intervals_cover_the_truth_in_runs_that_stop_at_a_precision() -> None:
    """A stack drops out at the first round after which its interval, as the table shows it, is within 0.8 %."""
    rng, most_rounds, covered, mean_slowdown = np.random.default_rng(26), 25, [], SLOWED * SLOWDOWN
    stopped_early = 0
    made = run([], design=Design.SLICED, slicing=SLICING)
    for _ in range(EXPERIMENTS // 2):
        values, effects = _draw(rng, [1000.0] * STACKS, most_rounds)
        measured: Values = {name: {} for name in values}
        active, no_doubts = set(values), dict.fromkeys(values, ())
        for number in range(1, most_rounds + 1):
            for name in active:
                measured[name][number] = values[name][number]
            if number >= FEWEST_ROUNDS:
                active -= {
                    name
                    for name, one in estimates_of(made, measured, no_doubts).items()
                    if half_width(one.interval()) <= 0.008
                }
        stopped_early += STACKS - len(active)
        truth = 1000 * math.exp(_average(effects, measured) - mean_slowdown)
        shown = [one.interval() for one in estimates_of(made, measured, no_doubts).values()]
        covered += [one.low is not None and one.high is not None and one.low <= truth <= one.high for one in shown]
    assert stopped_early > 0.8 * STACKS * EXPERIMENTS / 2
    assert 0.92 < np.mean(covered) < 0.98


def test_identical_stacks_are_told_apart_in_at_most_5_percent_of_runs() -> None:
    rng, experiments = np.random.default_rng(22), 1000
    wrong = 0
    for _ in range(experiments):
        found, _ = _in_sequence(_draw(rng, [1000.0] * STACKS)[0])
        wrong += any(pair.decision is Decision.DIFFERENT for pair in found)
    assert stats.binomtest(wrong, experiments).proportion_ci(0.95).high < 0.05


def test_stacks_at_the_edge_of_the_margin_are_called_equivalent_in_at_most_5_percent_of_runs() -> None:
    rng, wrong = np.random.default_rng(23), 0
    truths = [1000.0, 1050.0] * 4
    for _ in range(EXPERIMENTS):
        found, _ = _in_sequence(_draw(rng, truths)[0])
        called = [pair for pair in found if pair.decision is Decision.EQUIVALENT]
        wrong += any(truths[int(pair.a)] != truths[int(pair.b)] for pair in called)
    assert stats.binomtest(wrong, EXPERIMENTS).proportion_ci(0.95).low < 0.05


@pytest.mark.parametrize(("step", "fewest"), [(0.04, 0.80), (0.05, 0.90)])
def test_neighbours_are_decided_within_the_first_look(step: float, fewest: float) -> None:
    """A default run decides them, orders no pair wrongly, and shows ranges that contain the true ranks."""
    rng, decided, inside = np.random.default_rng(24), 0, 0
    truths = [1000 * (1 + step) ** place for place in range(STACKS)]
    for _ in range(EXPERIMENTS):
        found, measured = _in_sequence(_draw(rng, truths)[0], SLICED_LOOKS[0])
        ranges = rank_ranges(measured, found)
        inside += all(ranges[str(place)][0] <= STACKS - place <= ranges[str(place)][1] for place in range(STACKS))
        neighbours = [pair for pair in found if abs(int(pair.a) - int(pair.b)) == 1]
        decided += sum(pair.decision is not Decision.UNDECIDED for pair in neighbours)
        assert all(better_of(pair) in {"", max(pair.a, pair.b, key=int)} for pair in neighbours)
    assert decided / (EXPERIMENTS * (STACKS - 1)) > fewest
    assert inside / EXPERIMENTS > 0.95


@pytest.mark.parametrize("looks", [SLICED_LOOKS, ()])
@pytest.mark.parametrize(("slower", "fewest", "most"), [(0.0, 0.0, FALSE_ALARMS), (0.05, 0.90, 1.0)])
def test_copies_set_aside_a_run_if_they_differ_and_hardly_ever_by_chance(
    looks: tuple[int, ...], slower: float, fewest: float, most: float
) -> None:
    """Chance takes at most one run in fifty; a bias as large as the margin is seen after five rounds."""
    rng, experiments = np.random.default_rng(25), 500
    stacks = [str(place) for place in range(STACKS)]
    cells = [*map(cell, stacks), cell("fast", control_of=stacks[0]), cell("slow", control_of=stacks[-1])]
    made = run(cells, rounds=SLICED_LOOKS[0], looks=list(looks), design=Design.SLICED)
    truths = [1000 * 1.1**place for place in range(STACKS)]
    truths += [truths[0], truths[-1] * (1 - slower)]
    aside = 0
    for _ in range(experiments):
        values, _ = _draw(rng, truths, SLICED_LOOKS[0])
        named = {one.name: by_round for one, by_round in zip(cells, values.values(), strict=True)}
        aside += Verdict.CONTROL_DIFFERS in watch(made, [], named).warnings
    assert stats.binomtest(aside, experiments).proportion_ci(0.95).low <= most
    assert fewest <= aside / experiments


BY_RUN = 0.0041
"""What each stack varies by from run to run, which is more than the default takes it to be."""


@pytest.mark.slow
@pytest.mark.parametrize("by_run", [FEW.sd, BY_RUN])
@pytest.mark.parametrize("runs", [1, 3])
def test_intervals_cover_the_truth_where_stacks_vary_from_run_to_run(by_run: float, runs: int) -> None:
    """Of 2,000 boards, with rows relative to the mean of all and neighbours relative to each other."""
    rng, truths = np.random.default_rng(29), [1000 * 1.03**place for place in range(STACKS)]
    rows, ratios = list[bool](), list[bool]()
    for _ in range(2_000):
        made = {str(number): _estimates(_draw(rng, truths, 5, by_run)[0]) for number in range(runs)}
        found = joint(made, FEW) if runs > 1 else Joint(rates=made["0"], between=FEW, count=1)
        errors = {name: one.mean - math.log(truths[int(name)]) for name, one in found.rates.items()}
        average = math.fsum(errors.values()) / STACKS
        rows += [_is_within(one, found.of_mean, errors[name] - average) for name, one in found.rates.items()]
        for a, b in itertools.pairwise(found.rates):
            both = [error for name in (a, b) if (error := found.rates[name].error) is not None]
            ratio = Estimate(mean=0.0, error=total(*both, found.of_mean), n=runs)
            ratios.append(_is_within(ratio, found.of_mean, errors[a] - errors[b]))
    assert 0.93 < np.mean(rows) < 0.975
    assert 0.93 < np.mean(ratios) < 0.97


def _estimates(values: Values) -> dict[str, Estimate]:
    return {name: one.estimate for name, one in adjusted(values).items()}


def _is_within(estimate: Estimate, between: Component, error: float) -> bool:
    """Return whether the interval of a mean that is off by ``error`` holds the truth."""
    interval = replace(estimate, mean=error).interval(between)
    assert interval.low is not None
    assert interval.high is not None
    return interval.low <= 1 <= interval.high


@pytest.mark.parametrize(
    ("stacks", "between"), [(11, FEW), pytest.param(30, MANY, marks=(pytest.mark.slow, pytest.mark.parallel))]
)
def test_identical_stacks_that_vary_from_run_to_run_are_told_apart_in_at_most_5_percent_of_runs(
    stacks: int, between: Component
) -> None:
    rng, experiments = np.random.default_rng(27), 400
    wrong = 0
    for _ in range(experiments):
        found, _ = _in_sequence(_draw(rng, [1000.0] * stacks, by_run=BY_RUN)[0], between=between)
        wrong += any(pair.decision is Decision.DIFFERENT for pair in found)
    assert wrong / experiments <= 0.05


@pytest.mark.parametrize(("stacks", "between", "share"), [(11, FEW, 0.95), (30, MANY, 0.80)])
def test_neighbours_5_percent_apart_that_vary_from_run_to_run_are_decided_in_a_run(
    stacks: int, between: Component, share: float
) -> None:
    rng, experiments = np.random.default_rng(28), 100 if stacks == STACKS else 40
    truths, decided = [1000 * 1.05**place for place in range(stacks)], 0
    for _ in range(experiments):
        found, _ = _in_sequence(_draw(rng, truths, by_run=BY_RUN)[0], between=between)
        neighbours = [pair for pair in found if abs(int(pair.a) - int(pair.b)) == 1]
        decided += sum(pair.decision is not Decision.UNDECIDED for pair in neighbours)
    assert decided / (experiments * (stacks - 1)) >= share
