"""A limit on how much slower a side may be is decided as often, and as rarely wrongly, as it has to be."""

import numpy as np
import pytest

from common.records.run import CompareRun, Design
from common.records.summary import Decision, LimitDecision, Pair
from loadtests.analysis.comparison import up_to
from loadtests.analysis.outcome import pair_of, settled
from loadtests.analysis.thresholds import COMPARISON_LOOKS
from tests.support.records import cell, compare_run

pytestmark = pytest.mark.usefixtures("untraced")

SD = 0.0185
"""The standard deviation of the log ratio of two stacks in a duet, as observed in trials."""
LIMIT = 0.03
FEW = 200


def _run() -> CompareRun:
    cells = [cell("a"), cell("b")]
    return compare_run(
        cells, design=Design.DUET, rounds=COMPARISON_LOOKS[-1], looks=list(COMPARISON_LOOKS), fail_if_slower=LIMIT
    )


def _end(rng: np.random.Generator, slower: float, *, bursts: bool) -> tuple[int, Pair]:
    """Return the rounds that a comparison makes, and what it ends with.

    ``bursts`` triple the spread of a quarter of the rounds, as other work on the machine may.
    """
    run = _run()
    logs = rng.normal(np.log1p(-slower), SD * np.where(bursts & (rng.random(COMPARISON_LOOKS[-1]) < 0.25), 3, 1))
    b = {number: 1000 * float(value) for number, value in enumerate(np.exp(logs), 1)}
    even = dict.fromkeys(b, 1000.0)
    for look in COMPARISON_LOOKS:
        pair = pair_of(run, up_to(look, {"a": even, "b": b}))
        if settled(run, pair):
            break
    return look, pair


def _shares(slower: float, count: int, *, bursts: bool = False) -> tuple[float, float, float]:
    """Return the shares of runs that fail, that call the two different, and that leave the limit undecided."""
    rng = np.random.default_rng(39)
    ends = [_end(rng, slower, bursts=bursts)[1] for _ in range(count)]
    decided = [pair.against_limit.decision for pair in ends if pair.against_limit is not None]
    assert len(decided) == count
    different = sum(pair.decision is Decision.DIFFERENT for pair in ends)
    return (
        decided.count(LimitDecision.SLOWER) / count,
        different / count,
        decided.count(LimitDecision.UNDECIDED) / count,
    )


def test_a_slowdown_of_5_percent_fails_a_limit_of_3_percent() -> None:
    """It passed in 43 % of runs while a run ended as soon as the two were known to differ."""
    failed, _, _ = _shares(0.05, FEW)
    assert failed >= 0.95


def test_a_slowdown_of_exactly_the_limit_rarely_fails() -> None:
    failed, _, undecided = _shares(LIMIT, FEW)
    assert failed <= 0.05
    assert undecided > 0.8


def test_equal_sides_pass_are_rarely_called_different_and_need_few_rounds() -> None:
    failed, different, undecided = _shares(0.0, FEW)
    assert failed == 0
    assert different <= 0.05
    assert undecided == 0
    rng = np.random.default_rng(39)
    assert sorted(_end(rng, 0.0, bursts=False)[0] for _ in range(FEW))[FEW // 2] <= 10


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("bursts", [False, True])
def test_a_thousand_runs_of_each_keep_what_a_gate_promises(bursts: bool) -> None:  # noqa: FBT001
    count = 1000
    failed, _, _ = _shares(0.05, count, bursts=bursts)
    assert failed >= 0.95
    failed, _, _ = _shares(LIMIT, count, bursts=bursts)
    assert failed <= 0.05
    failed, different, _ = _shares(0.0, count, bursts=bursts)
    assert failed <= 0.025
    assert different <= 0.05
