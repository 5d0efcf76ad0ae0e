"""The recommended number of workers is the fewest that is as good as any, stated in one sentence with its evidence."""

import pytest
from msgspec.structs import replace

from common.records.window import Load
from loadtests.experiments.latency.records import SATURATED, TrafficVisit, WorkersRun
from loadtests.experiments.latency.report import summarise as rows_of
from loadtests.experiments.workers.report import advise, recommended, summarise, worker_sentences
from tests.support.records import load
from tests.support.traffic_records import PACED, a_point, a_visit, a_workers_run, answers

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
        ({2: 100, 1: 100}, {2: 5, 1: 5}, 1),  # whatever the order of the points
        ({1: 100}, {}, 1),
    ],
)
def test_the_fewest_workers_without_a_loss_are_recommended(
    capacity: dict[int, float], p99: dict[int, float], workers: int
) -> None:
    by_workers = {count: _values(value) for count, value in capacity.items()}
    assert recommended(by_workers, {count: _values(value) for count, value in p99.items()}) == workers


def made(vcpu: float, **changes: object) -> tuple[WorkersRun, list[TrafficVisit]]:
    """Return five rounds with one and two workers; two cost a tenth of the capacity and 15 MB."""
    one, two = a_point(vcpu, 1), a_point(vcpu, 2)
    loads: list[tuple[Load, int]] = [(load(20_000, 1.0, **changes), 20 * 2**20), (load(18_000, 1.0), 35 * 2**20)]
    return a_workers_run([one, two]), [
        a_visit(point, number, {SATURATED: saturated, PACED: answers(0.001, 1100)}, held)
        for number in ROUNDS
        for point, (saturated, held) in zip((one, two), loads, strict=True)
    ]


def test_others_are_compared_with_the_recommended_number_within_rounds() -> None:
    (advice,) = summarise(*made(0.5)).advice
    assert (advice.workers, advice.firm) == (1, True)
    (other,) = advice.others
    assert other.workers == 2
    assert other.throughput_ratio is not None
    assert other.throughput_ratio.estimate == pytest.approx(0.9)
    assert other.throughput_ratio.low == pytest.approx(0.9)
    assert other.throughput_ratio.n == 5
    assert other.p99_ratio is not None
    assert other.p99_ratio.estimate == 1
    assert other.memory_difference_bytes == 15 * 2**20


def test_differences_between_rounds_cancel() -> None:
    """A disturbed round changes both alike, and a round missing from one does not count."""
    run, _ = made(0.5)
    one, two = run.points
    visits = [
        a_visit(point, number, {SATURATED: load(round(requests * speed), 1.0)})
        for number, speed in enumerate((1, 2, 0.1), start=1)
        for point, requests in ((one, 20_000), (two, 10_000))
    ]
    visits.append(a_visit(two, 4, {SATURATED: load(1, 1.0)}))
    (advice,) = summarise(run, visits).advice
    ratio = advice.others[0].throughput_ratio
    assert ratio is not None
    assert ratio.n == 3
    assert ratio.estimate == pytest.approx(0.5)
    assert ratio.low == pytest.approx(0.5)


@pytest.mark.parametrize(("vcpu", "workers"), [(1.0, 1), (2.0, 2)])
def test_above_one_vcpu_capacity_is_requests_per_second(vcpu: float, workers: int) -> None:
    """One worker uses at most one of two vCPUs, whatever a request costs."""
    run = a_workers_run([replace(a_point(vcpu, count), missing=None) for count in (1, 2)])
    loads = load(20_000, 1.0), load(18_000, 1.0, duration_s=1.0)
    visits = [
        a_visit(point, number, {SATURATED: saturated})
        for number in ROUNDS
        for point, saturated in zip(run.points, loads, strict=True)
    ]
    (advice,) = summarise(run, visits).advice
    assert advice.workers == workers


def test_a_99th_percentile_of_few_answers_is_not_compared() -> None:
    run, visits = made(0.5)
    few = [replace(visit, loads=visit.loads | {PACED: answers(0.001, 999)}) for visit in visits]
    (advice,) = summarise(run, few).advice
    assert [other.p99_ratio for other in advice.others] == [None]


def test_a_recommendation_on_doubtful_numbers_is_not_firm() -> None:
    (advice,) = summarise(*made(0.5, generator_cpu_s=1.9)).advice
    assert not advice.firm


def test_no_advice_is_given_without_a_choice() -> None:
    run, visits = made(0.5)
    only = a_workers_run(run.points[:1])
    assert advise(only, visits, rows_of(only, visits).rows) == []
    assert advise(run, [], rows_of(run, []).rows) == []


def test_a_recommendation_names_its_evidence() -> None:
    (sentence,) = worker_sentences(summarise(*made(0.5)).advice)
    assert sentence == (
        "a+b at 0.5 vCPU: use 1 worker. Others, relative to that: 2 workers: capacity x 0.90 (0.90 to 0.90), "
        "p99 x 1.00 (1.00 to 1.00), +15.0 MB."
    )


def test_a_recommendation_based_on_doubtful_numbers_says_so() -> None:
    (sentence,) = worker_sentences(summarise(*made(0.5, generator_cpu_s=1.9)).advice)
    assert "Not firm" in sentence
