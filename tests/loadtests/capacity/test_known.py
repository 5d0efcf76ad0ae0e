"""What figures say of a stack follows from them by hand; what they lack is named with the command that measures it."""

from datetime import timedelta

import pytest

from common.catalog.pythons import OWN_PYTHON
from common.catalog.sizes import Runtime
from common.records.figure import Conditions, Figure, Metric, Subject
from loadtests.capacity.known import (
    MEMORY_HEADROOM,
    SLEEPER_BYTES,
    Compared,
    Lacking,
    Scaling,
    calibrated,
    known,
    missing,
    scaling,
    slots_of,
    wakeup,
)
from tests.support.figures import HELLO, figure
from tests.support.records import NOON

MB = 1024**2
STARLETTE_US = {0.25: 55.2, 0.5: 42.7, 0.75: 35.6}
"""CPU time of a request of Starlette at shares of its capacity, by docs/evidence.md; 30.6 where it is never idle."""


def at_share(metric: Metric, value: float, share: float, vcpu: float = 1.0) -> Figure:
    return figure(metric, value, Conditions(scenario="rate", vcpu=vcpu, workers=1, load_share=share))


RATE = figure(Metric.REQUESTS_PER_CPU_S, 1000, HELLO)
MEMORY = figure(Metric.LIMIT_BYTES, 40 * MB, Conditions(vcpu=1.0, workers=1))
SHARES = [at_share(Metric.REQUESTS_PER_CPU_S, 800, 0.5), at_share(Metric.P99_S, 0.02, 0.5)]
WHOLE = [RATE, MEMORY, *SHARES]


def test_nothing_is_missing_of_a_stack_with_a_rate_memory_and_loads_at_shares_of_its_capacity() -> None:
    assert missing(WHOLE, "hello") == []


@pytest.mark.parametrize(
    ("gone", "command"), [(RATE, "loadtest"), (MEMORY, "memory"), (SHARES[0], "latency"), (SHARES[1], "latency")]
)
def test_what_is_missing_is_named_by_the_command_that_measures_it(gone: Figure, command: str) -> None:
    assert missing([one for one in WHOLE if one is not gone], "hello") == [Lacking(command=command)]


def test_a_rate_at_a_share_of_the_capacity_is_not_that_of_a_saturated_server() -> None:
    assert Lacking(command="loadtest") in missing([MEMORY, *SHARES], "hello")


def test_requests_of_another_kind_need_a_rate_of_their_own() -> None:
    assert missing(WHOLE, "quotes") == [Lacking(command="loadtest", of_scenario=True)]
    quotes = figure(Metric.REQUESTS_PER_CPU_S, 300, Conditions(scenario="quotes", vcpu=1.0, workers=1))
    assert known([*WHOLE, quotes], "quotes").rate == quotes


def test_a_wake_up_costs_what_fits_the_costs_of_a_server_that_is_idle_at_times() -> None:
    rate = 1e6 / 30.6
    costs = [at_share(Metric.REQUESTS_PER_CPU_S, 1e6 / cost_us, share) for share, cost_us in STARLETTE_US.items()]
    assert wakeup(rate, costs) * 1e6 == pytest.approx(43.6, abs=0.5)


def test_a_wake_up_is_read_off_by_hand_from_one_load() -> None:
    """At 500 of 1,000 a second, 1.25 ms a request keep it busy for 0.625; 0.25 ms more at 0.375 idle is 0.667 ms."""
    assert wakeup(1000, [at_share(Metric.REQUESTS_PER_CPU_S, 800, 0.5)]) == pytest.approx(0.00025 / 0.375)


def test_the_largest_size_shows_what_a_wake_up_costs() -> None:
    smaller = at_share(Metric.REQUESTS_PER_CPU_S, 100, 0.5, vcpu=0.25)
    assert wakeup(1000, [smaller, SHARES[0]]) == wakeup(1000, [SHARES[0]])


def test_no_wake_up_is_known_without_loads_and_none_makes_requests_cheaper() -> None:
    assert wakeup(1000, []) == 0
    assert wakeup(1000, [at_share(Metric.REQUESTS_PER_CPU_S, 1100, 0.5)]) == 0


def test_workers_cost_what_the_universal_scalability_law_fits() -> None:
    law = scaling({1: 1000, 2: 1000 / 1.12, 4: 1000 / 1.42})
    assert law.contention == pytest.approx(0.1)
    assert law.coherency == pytest.approx(0.01)
    assert scaling({1: 1000, 2: 1000 / 1.1}).cost(4) == pytest.approx(1.3)
    assert scaling({2: 1000}) == Scaling()
    assert scaling({1: 1000, 2: 1200}).cost(2) == 1


def test_unmeasured_response_times_are_those_of_the_model_within_a_wide_band() -> None:
    found = calibrated([])
    assert (found.floor_s, found.factor.estimate) == (0, 1)
    assert 0.2 < (found.factor.low or 0) < 0.5
    assert 2 < (found.factor.high or 0) < 5


def test_response_times_twice_those_of_the_model_draw_it_towards_them() -> None:
    twice = Compared(measured_s=0.2, modelled_s=0.1, throttled=True)
    assert calibrated([twice] * 2).factor.estimate == pytest.approx(2**0.5)
    assert calibrated([twice] * 20).factor.estimate == pytest.approx(2 ** (20 / 22))


def test_what_the_machine_adds_to_a_server_without_a_quota_is_added_to_all() -> None:
    found = calibrated([Compared(measured_s=0.005, modelled_s=0.002, throttled=False)] * 3)
    assert found.floor_s == pytest.approx(0.003)
    assert found.factor.estimate == pytest.approx(1)


def test_more_measurements_narrow_the_band() -> None:
    one = Compared(measured_s=0.1, modelled_s=0.1, throttled=True)
    few, many = calibrated([one] * 2).factor, calibrated([one] * 30).factor
    assert (few.high or 0) > (many.high or 0) > 1


@pytest.mark.parametrize(
    ("framework", "server", "slots"),
    [
        ("flask", "gunicorn-gthread", 16),
        ("flask@3.0", "waitress", 16),
        ("flask", "gunicorn-sync", 1),
        ("flask", "gunicorn-gevent", None),
        ("starlette", "uvicorn", None),
        ("a", "b", None),
    ],
)
def test_a_request_that_waits_holds_a_thread_where_the_server_has_threads(
    framework: str, server: str, slots: int | None
) -> None:
    subject = Subject(framework=framework, server=server, runtime=Runtime.PROCESS, python=OWN_PYTHON)
    assert slots_of(subject) == slots


def test_memory_is_what_workers_need_and_requests_that_wait_with_headroom() -> None:
    two = figure(Metric.LIMIT_BYTES, 70 * MB, Conditions(vcpu=1.0, workers=2))
    stack = known([*WHOLE, two], "hello")
    assert stack.memory_bytes(2, waiting=0) == pytest.approx(70 * MB * MEMORY_HEADROOM, abs=1)
    assert stack.memory_bytes(4, waiting=0) == pytest.approx(130 * MB * MEMORY_HEADROOM, abs=1)
    assert stack.memory_bytes(1, waiting=100) == pytest.approx((40 * MB + 100 * SLEEPER_BYTES) * MEMORY_HEADROOM, abs=1)


def test_workers_that_were_never_measured_need_as_much_as_the_first() -> None:
    assert known(WHOLE, "hello").memory_bytes(3, waiting=0) == pytest.approx(120 * MB * MEMORY_HEADROOM, abs=1)


def test_a_request_that_waits_needs_the_memory_that_was_measured() -> None:
    assert known([*WHOLE, figure(Metric.SLEEPER_BYTES, 5000)], "hello").sleeper_bytes == 5000


def test_the_rate_of_one_worker_counts_before_a_newer_one_of_two() -> None:
    two = figure(
        Metric.REQUESTS_PER_CPU_S,
        900,
        Conditions(scenario="hello", vcpu=2.0, workers=2),
        measured_at=NOON + timedelta(days=1),
    )
    stack = known([*WHOLE, two], "hello")
    assert (stack.rate, stack.largest_vcpu) == (RATE, 2.0)
    assert stack.scaling.contention == pytest.approx(1 / 9)
