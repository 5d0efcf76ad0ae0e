"""The fewest workers that lose nothing are recommended, with what the others gain and cost."""

import pytest

from common.records.latency import LatencyRun, Visit
from common.records.window import Load
from loadtests.latency.points import SATURATED
from loadtests.latency.summary import summarise
from loadtests.latency.worker_advice import advise, ratio, recommended, sentences
from tests.support.records import load
from tests.support.traffic_records import a_point, a_run, a_visit, answers

ROUNDS = range(1, 6)


def _values(middle: float) -> dict[int, float]:
    return {number: middle * (1 + number / 1000) for number in ROUNDS}


@pytest.mark.parametrize(
    ("capacity", "p99", "workers"),
    [
        ({1: 100, 2: 102}, {1: 5, 2: 5}, 1),  # within 5 %: the fewest
        ({1: 100, 2: 110}, {1: 5, 2: 5}, 2),  # more capacity
        ({1: 100, 2: 102}, {1: 9, 2: 5}, 2),  # the same capacity, and a worse p99 with one
        ({1: 100, 2: 80}, {1: 9, 2: 5}, 1),  # none is good at both: capacity decides
        ({2: 100, 3: 100, 5: 100}, {2: 5, 3: 5, 5: 5}, 2),
        ({1: 100}, {}, 1),
    ],
)
def test_the_fewest_workers_that_lose_nothing_are_recommended(
    capacity: dict[int, float], p99: dict[int, float], workers: int
) -> None:
    by_workers = {count: _values(value) for count, value in capacity.items()}
    assert recommended(by_workers, {count: _values(value) for count, value in p99.items()}) == workers


def test_numbers_of_workers_are_compared_within_rounds() -> None:
    """What a round shares falls out: a disturbed round changes both alike."""
    found = ratio({1: 50, 2: 100, 3: 5}, {1: 100, 2: 200, 3: 10, 4: 1})
    assert found is not None
    assert found.n == 3
    assert found.estimate == pytest.approx(0.5)
    assert found.low == pytest.approx(0.5)


def _made(vcpu: float, **changes: object) -> tuple[LatencyRun, list[Visit]]:
    one, two = a_point(vcpu, 1), a_point(vcpu, 2)
    loads: list[tuple[Load, int]] = [(load(20_000, 1.0, **changes), 20 * 10**6), (load(18_000, 1.0), 35 * 10**6)]
    return a_run([one, two], "workers"), [
        a_visit(point, number, {SATURATED: saturated, "100 a second": answers(0.001, 1100)}, held)
        for number in ROUNDS
        for point, (saturated, held) in zip((one, two), loads, strict=True)
    ]


def test_a_recommendation_names_its_evidence() -> None:
    record, visits = _made(0.5)
    (advice,) = advise(record, visits, summarise(record, visits).rows)
    assert advice.firm
    (sentence,) = sentences([advice])
    assert sentence == (
        "a+b at 0.5 vCPU: 1 worker. Against that: 2 workers: capacity x 0.90 (0.90 to 0.90), "
        "p99 x 1.00 (1.00 to 1.00), +15.0 MB."
    )


def test_a_recommendation_on_doubtful_numbers_says_so() -> None:
    record, visits = _made(0.5, generator_cpu_s=1.9)
    (advice,) = advise(record, visits, summarise(record, visits).rows)
    assert not advice.firm
    assert "Not firm" in next(sentences([advice]))


def test_no_advice_is_given_where_there_is_nothing_to_choose_from() -> None:
    record, visits = _made(0.5)
    only = a_run(record.points[:1], "workers")
    assert advise(only, visits, summarise(only, visits).rows) == []
    assert advise(record, [], summarise(record, []).rows) == []
