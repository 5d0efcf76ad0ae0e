"""A bill has a row for each stack and price list, with its interval; what is missing is named."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from common.catalog.prices import load_prices
from common.catalog.sizes import Size
from common.records.bill import Bill, Price
from common.records.figure import Conditions, Figure, Metric, Subject
from common.records.summary import Component, Interval
from loadtests.analysis.between_runs import FEW, in_another_run
from loadtests.board.bill import Question, cheapest_size, fitting_sizes, make_bill, needed_bytes, newest
from loadtests.board.prices import per_million
from loadtests.board.rows import board_rows
from tests.support.figures import DOCKER, HELLO, PROCESS, figure
from tests.support.records import NOON

GB = 1024**3
PRICES = load_prices()
X86 = PRICES.compute[0]
RATE = figure(Metric.REQUESTS_PER_CPU_S, 1000, HELLO, bounds=(900, 1100))
HALF = Question(utilisation=0.5)


def _bill(question: Question = HALF, *figures: Figure, subject: Subject = DOCKER, rate: Figure | None = RATE) -> Bill:
    known = [*figures, *([] if rate is None else [rate])]
    return make_bill([subject], known, PRICES, question, now=NOON)


def _x86(bill: Bill) -> Price:
    (row,) = (one for one in bill.rows if one.prices == "fargate-x86")
    return row


def _p99(share: float, p99_s: float, vcpu: float = 0.5) -> Figure:
    return figure(Metric.P99_S, p99_s / 2, Conditions(vcpu=vcpu, load_share=share), bounds=(p99_s / 4, p99_s))


def _limit(workers: int, gb: float) -> Figure:
    return figure(Metric.LIMIT_BYTES, gb * GB, Conditions(vcpu=1.0, workers=workers))


def test_every_price_list_has_a_row_the_cheapest_first() -> None:
    assert [row.prices for row in _bill().rows] == ["fargate-arm", "fargate-x86"]


def test_a_million_requests_are_priced_on_the_cheapest_size_with_the_rates_interval() -> None:
    row = _x86(_bill())
    assert row.size == Size(vcpu=0.25, memory_bytes=GB // 2)
    assert row.per_million.estimate == pytest.approx((0.25 * 0.04048 + 0.5 * 0.004445) / (3600 * 0.25 * 0.5) * 1000)
    assert row.per_million.low == pytest.approx(row.per_million.estimate / 1.1)
    assert row.per_million.high == pytest.approx(row.per_million.estimate / 0.9)
    assert row.rate == RATE


def test_a_bill_has_its_date_and_those_of_its_prices() -> None:
    made = _bill(Question(utilisation=0.5, rate_rps=10, p99_s=0.1))
    assert made.made_at == NOON
    assert made.prices_of == {"fargate-x86": X86.as_of, "fargate-arm": PRICES.compute[1].as_of}
    assert (made.utilisation, made.rate_rps, made.p99_s) == (0.5, 10, 0.1)


def test_the_newest_rate_counts_whatever_its_size() -> None:
    newer = figure(
        Metric.REQUESTS_PER_CPU_S,
        2000,
        Conditions(scenario="hello", vcpu=0.5, workers=1),
        measured_at=NOON + timedelta(days=1),
    )
    assert _x86(_bill(HALF, newer)).rate == newer


def test_a_rate_of_another_scenario_is_not_priced() -> None:
    sleeping = figure(Metric.REQUESTS_PER_CPU_S, 2000, Conditions(scenario="sleep", vcpu=1.0, workers=1))
    assert _bill(HALF, sleeping, rate=None).rows == []


def test_the_memory_needed_is_the_smallest_limit_or_else_the_memory_after_load() -> None:
    held = [figure(Metric.LOADED_BYTES, 50, Conditions(vcpu=1.0, workers=count), bounds=(40, 60)) for count in (1, 2)]
    assert needed_bytes([*held, figure(Metric.LIMIT_BYTES, 70, Conditions(vcpu=1.0, workers=1))]) == {1: 70, 2: 60}


def test_the_memory_needed_is_the_newest_measured_whatever_the_vcpus() -> None:
    days = [
        figure(metric, day, Conditions(vcpu=vcpu, workers=workers), measured_at=NOON + timedelta(days=day))
        for metric, workers in ((Metric.LIMIT_BYTES, 1), (Metric.LOADED_BYTES, 2))
        for day, vcpu in ((2, 0.5), (1, 1.0))
    ]
    assert needed_bytes(days) == {1: 2, 2: 2}


def test_a_stack_that_needs_more_memory_is_given_the_next_size_or_none() -> None:
    sizes = {one.vcpu: one.memory_bytes for one in fitting_sizes(X86, PRICES, {1: 3 * GB})}
    assert 0.25 not in sizes
    assert (sizes[0.5], sizes[1], sizes[2]) == (3 * GB, 3 * GB, 4 * GB)


def test_unmeasured_workers_need_at_least_the_memory_of_fewer() -> None:
    sizes = {one.vcpu: one.memory_bytes for one in fitting_sizes(X86, PRICES, {1: 5 * GB, 4: 9 * GB})}
    assert (sizes[2], sizes[4], sizes[8]) == (5 * GB, 9 * GB, 16 * GB)


def test_fewer_workers_than_were_measured_are_given_what_the_fewest_measured_need() -> None:
    sizes = {one.vcpu: one.memory_bytes for one in fitting_sizes(X86, PRICES, {2: 3 * GB, 4: 9 * GB})}
    assert 0.25 not in sizes
    assert (sizes[0.5], sizes[1], sizes[2]) == (3 * GB, 3 * GB, 4 * GB)


def test_a_stack_that_no_size_on_offer_holds_has_no_price_and_is_named() -> None:
    assert cheapest_size(X86, PRICES, RATE.value, {1: 1000 * GB}) is None
    made = _bill(HALF, figure(Metric.COMPRESSED_BYTES, GB), _limit(1, 1000))
    assert (made.rows, made.unknown) == ([], {"size": ["a+b@slim"]})


def test_of_equally_cheap_sizes_the_one_with_the_fewest_vcpus_is_chosen() -> None:
    assert cheapest_size(X86, PRICES, RATE.value, {}) == Size(vcpu=0.25, memory_bytes=GB // 2)
    assert cheapest_size(X86, PRICES, RATE.value, {1: 3 * GB}) == Size(vcpu=2, memory_bytes=4 * GB)


@pytest.mark.parametrize(("server", "task_vcpu", "fleet_vcpu"), [("gunicorn-gthread", 2, 8), ("waitress", 1, 1)])
def test_a_server_that_is_always_one_process_is_given_one_vcpu_at_most(
    server: str, task_vcpu: float, fleet_vcpu: float
) -> None:
    """It would leave the others idle."""
    subject = replace(DOCKER, framework="flask", server=server)
    rate, limit = replace(RATE, subject=subject), replace(_limit(1, 3), subject=subject)
    row = _x86(_bill(Question(utilisation=0.5, rate_rps=3600), limit, subject=subject, rate=rate))
    assert row.fleet is not None
    assert (row.size.vcpu, row.fleet.size.vcpu) == (task_vcpu, fleet_vcpu)


def test_the_cheapest_fleet_is_chosen_by_the_lower_end_of_the_interval() -> None:
    fleet = _x86(_bill(Question(utilisation=0.5, rate_rps=460))).fleet  # 460 > 0.5 x 900, though not > 0.5 x 1000
    assert fleet is not None
    assert (fleet.size.vcpu, fleet.tasks) == (0.25, 5)


def test_dollars_and_fleets_stand_on_the_rate_of_another_run() -> None:
    """A rate's own interval leaves out what a run does to all stacks."""
    error = Component(sd=0.001, freedom=50)
    rate = figure(Metric.REQUESTS_PER_CPU_S, 1000, HELLO, bounds=(998, 1002), error=error, between_runs=FEW)
    expected = in_another_run(rate)
    assert (expected.low or 0) < 970
    row = _x86(_bill(Question(utilisation=0.5, rate_rps=490), rate=rate))
    assert row.per_million == per_million(X86, row.size, expected, 0.5)
    assert row.fleet is not None
    assert row.fleet.tasks * row.fleet.size.vcpu > 1, "490 is below half of 998, and above half of what is expected"
    (board,) = board_rows([DOCKER], [rate], PRICES, vcpu=1.0)
    assert board.values["dollars"] == row.per_million


def test_a_rate_without_an_interval_is_used_as_it_is() -> None:
    once = figure(Metric.REQUESTS_PER_CPU_S, 1000, HELLO, value=Interval(estimate=1000, low=None, high=None, n=1))
    fleet = _x86(_bill(Question(utilisation=0.5, rate_rps=500), rate=once)).fleet
    assert fleet is not None
    assert (fleet.size.vcpu, fleet.tasks) == (1, 1)


def test_without_a_requested_rate_there_is_no_fleet_and_no_reason() -> None:
    assert (_x86(_bill()).fleet, _x86(_bill()).no_fleet) == (None, None)


def test_a_p99_is_compared_with_measured_latencies_only() -> None:
    measured = (_p99(0.25, 0.01), _p99(0.5, 0.1))
    row = _x86(_bill(Question(utilisation=0.5, rate_rps=100, p99_s=0.02), *measured))
    assert row.fleet is not None
    assert (row.fleet.size.vcpu, row.fleet.tasks, row.no_fleet) == (0.5, 1, None)
    assert row.fleet.utilisation <= 0.25
    strict = _x86(_bill(Question(utilisation=0.5, rate_rps=100, p99_s=0.005), *measured))
    assert strict.fleet is None
    assert "(0.5 vCPU) holds a p99 of 5 ms" in str(strict.no_fleet)


def test_a_measured_latency_never_raises_the_requested_utilisation() -> None:
    row = _x86(_bill(Question(utilisation=0.3, rate_rps=140, p99_s=1.0), _p99(0.75, 0.01)))
    assert row.fleet is not None
    assert (row.fleet.size.vcpu, row.fleet.tasks) == (0.5, 2)  # one may carry 0.5 x 0.3 x 900


def test_without_measured_latencies_there_is_a_reason_instead_of_a_fleet() -> None:
    row = _x86(_bill(Question(utilisation=0.5, rate_rps=100, p99_s=0.02)))
    assert (row.fleet, row.no_fleet) == (None, "its latency at shares of its capacity was not measured")


def test_storage_is_that_of_the_compressed_image() -> None:
    assert _x86(_bill(HALF, figure(Metric.COMPRESSED_BYTES, GB))).storage_month == 0.10


def test_a_stack_without_a_valid_rate_is_named_and_has_no_price() -> None:
    made = _bill(rate=None)
    assert (made.rows, made.unpriced) == ([], ["a+b@slim"])


def test_unknown_figures_of_a_stack_are_named() -> None:
    assert _bill().unknown == {"image": ["a+b@slim"], "memory": ["a+b@slim"]}
    known = (figure(Metric.COMPRESSED_BYTES, GB), _limit(1, 0.1))
    assert _bill(HALF, *known).unknown == {}
    process = figure(Metric.REQUESTS_PER_CPU_S, 1000, HELLO, subject=PROCESS)
    assert _bill(subject=PROCESS, rate=process).unknown == {"memory": ["a+b"]}, "a process has no image"


def test_of_several_that_fit_the_newest_is_found() -> None:
    days = [
        figure(Metric.START_S, day, Conditions(vcpu=1.0, workers=1), measured_at=NOON + timedelta(days=day))
        for day in (1, 3, 2)
    ]
    found = newest(days, Metric.START_S, vcpu=1.0)
    assert found is not None
    assert found.value.estimate == 3
    assert newest(days, Metric.START_S, vcpu=2.0) is None
    assert newest(days, Metric.P99_S) is None
