"""A comparison ends in one of four sentences, and not too early."""

import math
import random

import pytest

from common.records.run import CompareRun, Design
from common.records.summary import Decision, Interval, Pair
from loadtests.analysis.across_runs import welch
from loadtests.analysis.limits import speed
from loadtests.analysis.outcome import pair_of, sentence, settled
from loadtests.analysis.thresholds import COMPARISON_LOOKS, MARGIN
from tests.support.records import cell, compare_run

SD = 0.0185
"""The standard deviation of the log ratio of two stacks in a duet, as observed in trials."""


def _run(rounds: int = COMPARISON_LOOKS[-1], margin: float = MARGIN) -> CompareRun:
    cells = [cell("a+x"), cell("b+x")]
    return compare_run(cells, design=Design.DUET, rounds=rounds, looks=list(COMPARISON_LOOKS), margin=margin)


def _values(slower: float, seed: int, rounds: int) -> dict[str, dict[int, float]]:
    rng = random.Random(seed)  # noqa: S311 -- not for secrets
    shared = {number: math.exp(rng.gauss(9, 0.1)) for number in range(1, rounds + 1)}
    return {
        name: {number: value * factor * math.exp(rng.gauss(0, SD / math.sqrt(2))) for number, value in shared.items()}
        for name, factor in (("a+x", 1.0), ("b+x", 1 - slower))
    }


def _end(slower: float, seed: int) -> tuple[int, Pair]:
    """Return the look at which a comparison ends, and its pair."""
    made = _run()
    for look in COMPARISON_LOOKS:
        pair = pair_of(made, _values(slower, seed, look))
        if settled(made, pair):
            return look, pair
    return COMPARISON_LOOKS[-1], pair


def _pair(estimate: float, low: float, high: float, decision: Decision, needed: int | None = None) -> Pair:
    ratio = Interval(estimate=estimate, low=low, high=high, n=10)
    return Pair(a="old", b="new", ratio=ratio, p_value=0.01, decision=decision, rounds_needed=needed)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (_pair(0.8, 0.75, 0.85, Decision.DIFFERENT), "new is faster than old by 25.0% (17.6% to 33.3%)."),
        (_pair(1.25, 1.2, 1.3, Decision.DIFFERENT), "new is slower than old by 20.0% (16.7% to 23.1%)."),
        (
            _pair(1.0, 0.98, 1.02, Decision.EQUIVALENT),
            "new and old are equivalent within 5%: the difference is +0.0% (-2.0% to +2.0%).",
        ),
        (
            _pair(1.0, 0.9, 1.1, Decision.UNDECIDED, 7),
            "undecided: new against old is +0.0% (-9.1% to +11.1%); needs about 7 more rounds.",
        ),
    ],
)
def test_each_decision_has_its_sentence(pair: Pair, expected: str) -> None:
    assert sentence(pair, 0.05) == expected


@pytest.mark.parametrize(("estimate", "ends"), [(0.98, False), (1.0, True), (1 / 0.98, False)])
def test_equivalent_stacks_that_may_prove_to_differ_are_measured_further(estimate: float, ends: bool) -> None:  # noqa: FBT001
    """Whichever of them is the faster one."""
    pair = _pair(estimate, estimate / 1.01, estimate * 1.01, Decision.EQUIVALENT)
    assert settled(_run(), pair) is ends


def test_speed_inverts_a_ratio_and_its_bounds() -> None:
    found = speed(Interval(estimate=1.25, low=1.0, high=2.0, n=5))
    assert [found.estimate, found.low, found.high] == pytest.approx([-0.2, -0.5, 0.0])


def _is_slower(pair: Pair) -> bool:
    return pair.decision is Decision.DIFFERENT and pair.ratio is not None and pair.ratio.estimate > 1


def test_a_slowdown_of_five_per_cent_is_found_within_eighteen_pairs() -> None:
    """Pairs of windows take 9 s each, so this is under three minutes."""
    ends = [_end(0.05, seed) for seed in range(100)]
    found = [_is_slower(pair) and look <= 18 for look, pair in ends]
    assert sum(found) >= 95


def test_a_slowdown_of_two_per_cent_is_found_by_the_last_look() -> None:
    """It is found although it lies well within the margin of equivalence."""
    ends = [_end(0.02, seed) for seed in range(100)]
    assert sum(_is_slower(pair) for _, pair in ends) >= 80


def test_equal_stacks_are_rarely_called_different_and_quickly_equivalent() -> None:
    ends = [_end(0.0, seed) for seed in range(200)]
    assert sum(pair.decision is Decision.DIFFERENT for _, pair in ends) <= 15  # 5 % of 200, and three deviations
    assert sum(pair.decision is Decision.EQUIVALENT for _, pair in ends) >= 180
    assert sorted(look for look, _ in ends)[100] <= 10


def test_stacks_are_equivalent_within_the_margin_of_their_run() -> None:
    values = _values(0.0, 1, COMPARISON_LOOKS[-1])
    made = [pair_of(_run(margin=margin), values).decision for margin in (0.05, 0.001)]
    assert made == [Decision.EQUIVALENT, Decision.UNDECIDED]


def test_comparisons_that_share_the_level_are_less_easily_decided() -> None:
    cells, values = [cell("a+x"), cell("b+x")], _values(0.05, 1, 10)
    alone, shared = (
        pair_of(
            compare_run(
                cells, design=Design.DUET, looks=list(COMPARISON_LOOKS), fail_if_slower=0.01, comparisons=count
            ),
            values,
        )
        for count in (1, 9)
    )
    assert shared.p_value == pytest.approx(9 * (alone.p_value or 0))
    assert alone.against_limit is not None
    assert shared.against_limit is not None
    assert (shared.against_limit.change.low or 0) < (alone.against_limit.change.low or 0)


def test_too_few_rounds_decide_nothing() -> None:
    pair = pair_of(compare_run([cell("a+x"), cell("b+x")], design=Design.DUET, rounds=3), _values(0.5, 1, 3))
    assert (pair.decision, pair.rounds_needed) == (Decision.UNDECIDED, 2)


@pytest.mark.parametrize(("b", "different", "beyond"), [(100.0, 1, 0), (101.0, 0, 0), (110.0, 0, 1)])
def test_identical_rounds_of_either_run_give_a_certain_decision(b: float, different: int, beyond: int) -> None:
    ratio, *p_values = welch([100.0] * 3, [b] * 3, math.log(1.05))
    assert p_values == [different, beyond]
    assert (ratio.low, ratio.high) == pytest.approx((100 / b, 100 / b))


def test_welchs_test_agrees_with_scipy() -> None:
    from scipy import stats  # noqa: PLC0415 -- a second to import

    a, b = [100.0, 104.0, 98.0, 103.0], [90.0, 95.0, 91.0]
    ratio, different, _ = welch(a, b, 0.05, correlation=0)
    expected = stats.ttest_ind([math.log(x) for x in a], [math.log(x) for x in b], equal_var=False)
    low, high = expected.confidence_interval()
    assert different == pytest.approx(expected.pvalue)
    assert ratio.n == 3
    assert [ratio.low, ratio.high] == pytest.approx([math.exp(low), math.exp(high)])
