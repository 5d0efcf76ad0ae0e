"""Amounts agree with calculations by hand, intervals are carried through, and the cheapest fleet is found."""

from datetime import date

import pytest

from common.catalog.prices import Compute, Storage
from common.catalog.sizes import Size
from common.records.summary import Interval
from loadtests.board.prices import (
    LatencyPoint,
    busiest,
    cheapest,
    hourly,
    idle_month,
    least,
    per_million,
    storage_month,
)

GB = 1024**3
OFFER = Compute(
    name="toy",
    architecture="x86_64",
    region="nowhere",
    as_of=date(2026, 1, 2),
    vcpu_hour=0.04,
    gb_hour=0.005,
    minimum_s=60,
    sizes="toy",
    storage="store",
)


def size(vcpu: float, gb: float) -> Size:
    return Size(vcpu=vcpu, memory_bytes=round(gb * GB))


@pytest.mark.parametrize(
    ("vcpu", "gb", "dollars"),
    [(1, 2, 0.05), (0.25, 0.5, 0.0125), (0.25, 2, 0.02), (4, 8, 0.2)],
)
def test_an_hour_is_vcpus_and_memory_at_their_prices(vcpu: float, gb: float, dollars: float) -> None:
    assert hourly(OFFER, size(vcpu, gb)) == pytest.approx(dollars)


def test_a_million_requests_by_hand() -> None:
    """1 vCPU and 2 GB: $0.05 an hour. 1,000 req/s, half busy: 1,800,000 an hour, so $0.05 / 1.8 a million."""
    rate = Interval(estimate=1000, low=500, high=2000, n=5)
    found = per_million(OFFER, size(1, 2), rate, 0.5)
    assert found.estimate == pytest.approx(0.05 / 1.8)
    assert found.low == pytest.approx(0.05 / 3.6)
    assert found.high == pytest.approx(0.05 / 0.9)
    assert found.n == 5


def test_a_price_without_an_interval_has_none() -> None:
    found = per_million(OFFER, size(1, 2), Interval(estimate=1000, low=None, high=None, n=1), 1.0)
    assert (found.low, found.high) == (None, None)


def test_an_idle_month_is_730_hours() -> None:
    assert idle_month(OFFER, size(1, 2)) == pytest.approx(36.5)


def test_storage_is_by_the_gigabyte_month() -> None:
    store = Storage(name="store", region="nowhere", as_of=date(2026, 1, 2), gb_month=0.10)
    assert storage_month(store, GB // 4) == pytest.approx(0.025)


@pytest.mark.parametrize(("needed_gb", "gb"), [(0, 0.5), (0.5, 0.5), (0.6, 1), (2, 2), (2.1, None)])
def test_the_least_memory_that_holds_the_stack_is_taken(needed_gb: float, gb: float | None) -> None:
    sizes = [size(0.25, 2), size(0.25, 0.5), size(0.25, 1), size(0.5, 8)]
    found = least(sizes, 0.25, round(needed_gb * GB))
    assert found == (None if gb is None else size(0.25, gb))


@pytest.mark.parametrize(
    ("rate_rps", "vcpu", "tasks", "month"),
    [
        (100, 0.25, 1, 9.125),  # a quarter carries 125 at half load
        (126, 0.5, 1, 18.25),  # two quarters cost as much as a half: the fewer tasks
        (251, 0.25, 3, 27.375),  # three quarters are cheaper than one whole
        (500, 1, 1, 36.5),  # exactly full is not more than full
        (2600, 0.25, 21, 191.625),
    ],
)
def test_the_cheapest_fleet_by_hand(rate_rps: float, vcpu: float, tasks: int, month: float) -> None:
    """1,000 req/s per vCPU, half busy, 2 GB per vCPU: $36.50 per vCPU and month."""
    sizes = [size(vcpu, 2 * vcpu) for vcpu in (0.25, 0.5, 1)]
    found = cheapest(
        OFFER, sizes, rate_rps=rate_rps, requests_per_cpu_s=1000, utilisation=dict.fromkeys((0.25, 0.5, 1), 0.5)
    )
    assert found is not None
    assert (found.size.vcpu, found.tasks) == (vcpu, tasks)
    assert found.month == pytest.approx(month)
    assert found.utilisation == pytest.approx(rate_rps / (tasks * vcpu * 1000))
    assert found.utilisation <= 0.5


def test_a_size_without_an_allowed_utilisation_is_not_considered() -> None:
    sizes = [size(0.25, 0.5), size(1, 2)]
    found = cheapest(OFFER, sizes, rate_rps=1, requests_per_cpu_s=1000, utilisation={1: 0.5})
    assert found is not None
    assert found.size.vcpu == 1
    assert cheapest(OFFER, sizes, rate_rps=1, requests_per_cpu_s=1000, utilisation={}) is None


@pytest.mark.parametrize(
    ("p99_s", "allowed"), [(0.001, None), (0.01, 0.25), (0.02, 0.25), (0.03, 0.5), (1, 0.75), (0.05, 0.5)]
)
def test_a_task_is_kept_as_busy_as_measured_latency_allows(p99_s: float, allowed: float | None) -> None:
    points = [LatencyPoint(utilisation=u, p99_s=p) for u, p in ((0.75, 0.2), (0.25, 0.01), (0.5, 0.03))]
    assert busiest(points, p99_s) == allowed


def test_a_load_that_was_within_the_limit_only_once_is_not_trusted() -> None:
    """It may have been measured with other numbers of workers."""
    points = [LatencyPoint(utilisation=u, p99_s=p) for u, p in ((0.25, 0.01), (0.5, 0.01), (0.5, 0.2))]
    assert busiest(points, 0.1) == 0.25


def test_a_latency_that_falls_again_at_a_higher_load_is_not_trusted() -> None:
    points = [LatencyPoint(utilisation=u, p99_s=p) for u, p in ((0.25, 0.01), (0.5, 0.5), (0.75, 0.01))]
    assert busiest(points, 0.1) == 0.25
