"""Plans follow from planted figures by hand: how many tasks, of which size, for how much, and what limits them."""

from typing import Any

import pytest

from common.catalog.prices import load_prices
from common.catalog.sizes import Size
from common.records.capacity import Demand, Limit, TaskPlan
from common.records.figure import Metric, Subject
from common.records.summary import Interval
from loadtests.capacity.known import Calibration, Known, Scaling
from loadtests.capacity.queueing import Task, Work, chance_of_wait, loaded
from loadtests.capacity.sizing import MOST_WAITING, best_plans
from tests.support.figures import DOCKER, HELLO, figure

GB = 1024**3
PRICES = load_prices()
X86 = PRICES.compute[0]
QUARTER = (0.25 * 0.04048 + 0.5 * 0.004445) * 730
"""Dollars a month of 0.25 vCPU and 512 MB; all larger sizes with the least memory cost a multiple of it."""
EXACT = Calibration(floor_s=0.0, factor=Interval(estimate=1.0, low=1.0, high=1.0, n=9))


def stack(**changes: Any) -> Known:  # noqa: ANN401 -- any field
    """Return a stack that serves a thousand requests a CPU-second, exactly as the model says."""
    fields: dict[str, Any] = {
        "rate": figure(Metric.REQUESTS_PER_CPU_S, 1000, HELLO),
        "wakeup_s": 0.0,
        "scaling": Scaling(),
        "calibration": EXACT,
        "needed_bytes": {1: 50 * 1024**2},
        "sleeper_bytes": 0.0,
        "slots": None,
        "several": True,
        "largest_vcpu": 1.0,
    }
    return Known(**fields | changes)


def plans(rate_rps: float, *stacks: Known, p99_s: float = 10.0, **demand: Any) -> list[TaskPlan]:  # noqa: ANN401
    asked = Demand(rate_rps=rate_rps, p99_s=p99_s, scenario="hello", **{"pool": 16} | demand)
    return best_plans(stacks or [stack()], asked, PRICES, [X86])


def shapes(found: list[TaskPlan]) -> list[tuple[int, float]]:
    return [(plan.tasks, plan.size.vcpu) for plan in found]


def test_the_cheapest_number_of_the_cheapest_tasks_comes_first() -> None:
    """A task of 0.25 vCPU carries 237.5 a second at 95 %: 7 of them 1,500, which 8 quarters cost more to carry."""
    found = plans(1500)
    assert shapes(found) == [(7, 0.25), (1, 2), (2, 1)]
    assert found[0].month.estimate == pytest.approx(7 * QUARTER)
    assert [plan.month.estimate for plan in found[1:]] == pytest.approx([8 * QUARTER] * 2)
    assert found[0].size == Size(vcpu=0.25, memory_bytes=GB // 2, worker_count=1)
    assert found[0].limited_by is Limit.CPU
    assert found[0].busy == pytest.approx(1500 / 7 / 250)
    assert found[0].most_rps.estimate == pytest.approx(237.5)


def test_a_plan_says_whether_it_holds_with_a_task_less() -> None:
    """The number stands on the lower end of the rate, so that the estimate may leave one to spare."""
    rate = figure(Metric.REQUESTS_PER_CPU_S, 1000, HELLO, bounds=(500, 2000))
    (spare, *_), (bare, *_) = plans(1500, stack(rate=rate)), plans(1500)
    assert (spare.tasks, spare.holds_without_one) == (13, True)
    assert (bare.tasks, bare.holds_without_one) == (7, False)


def test_dollars_range_from_the_best_to_the_worst_end_of_the_rate() -> None:
    rate = figure(Metric.REQUESTS_PER_CPU_S, 1000, HELLO, bounds=(500, 2000))
    (plan, *_) = plans(1500, stack(rate=rate))
    assert (plan.month.low, plan.month.estimate, plan.month.high) == pytest.approx(
        (4 * QUARTER, 13 * QUARTER, 13 * QUARTER)
    )


def test_the_response_time_limits_a_task_before_its_cpu_does() -> None:
    (plan, *_) = plans(1500, p99_s=0.05)
    task, work = Task(vcpu=plan.size.vcpu, workers=plan.size.workers), Work(cpu_s=0.001)
    assert plan.limited_by is Limit.P99
    assert (
        loaded(work, task, plan.most_rps.estimate).p99_s
        <= 0.05
        < loaded(work, task, 1.05 * plan.most_rps.estimate).p99_s
    )
    assert plan.p99_s.estimate <= 0.05


def test_a_shorter_response_time_never_costs_less() -> None:
    months = [plans(1500, p99_s=p99_s)[0].month.estimate for p99_s in (1.0, 0.1, 0.03, 0.01)]
    assert months == sorted(months)


def test_no_size_holds_a_response_time_that_the_floor_alone_exceeds() -> None:
    slow = Calibration(floor_s=0.02, factor=EXACT.factor)
    assert plans(10, stack(calibration=slow), p99_s=0.01) == []


def test_the_band_of_the_99th_percentile_is_that_of_the_stacks_own_measurements() -> None:
    wide = Calibration(floor_s=0.002, factor=Interval(estimate=1.0, low=0.5, high=3.0, n=9))
    (plan, *_) = plans(100, stack(calibration=wide))
    assert (plan.p99_s.low, plan.p99_s.high) == pytest.approx((plan.p99_s.estimate / 2, plan.p99_s.estimate * 3))


def test_an_autoscaler_is_given_the_cpu_of_a_server_that_is_idle_at_times() -> None:
    """With a wake-up as long as a request, a task is more than half busy well below half of its headline rate."""
    (plan, *_) = plans(400, stack(wakeup_s=0.001, several=False), p99_s=0.05)
    assert plan.target_busy > plan.target_share
    work, task = Work(cpu_s=0.001, wakeup_s=0.001), Task(vcpu=plan.size.vcpu)
    assert plan.target_busy == pytest.approx(loaded(work, task, 0.8 * plan.most_rps.estimate).busy)


def test_requests_that_wait_take_threads_and_are_given_more_workers() -> None:
    """Of 200 a second that all wait for 0.2 s, 40 wait at any time, more than 16 threads are."""
    (plan, *_) = plans(200, stack(slots=16), sleep_s=0.2, sleep_share=1.0)
    assert plan.tasks * plan.size.workers * 16 > 40
    assert plan.threads == 16
    (one, *_) = plans(200, stack(slots=16, several=False), sleep_s=0.2, sleep_share=1.0)
    assert one.limited_by is Limit.THREADS
    assert (
        chance_of_wait(16, one.most_rps.estimate * 0.2)
        <= MOST_WAITING
        < chance_of_wait(16, one.most_rps.estimate * 0.21)
    )


def test_requests_that_wait_take_no_threads_where_the_server_has_none() -> None:
    (plan, *_) = plans(200, sleep_s=0.2, sleep_share=1.0)
    assert (plan.tasks, plan.size.vcpu, plan.threads) == (1, 0.25, None)


def test_a_stack_that_is_always_one_process_is_given_one_vcpu_at_most() -> None:
    assert max(plan.size.vcpu for plan in plans(3000, stack(several=False))) <= 1


def test_several_workers_lose_what_the_law_says() -> None:
    found = plans(1500, stack(scaling=Scaling(contention=0.1)))
    two = next(plan for plan in found if plan.size.workers == 2)
    assert two.most_rps.estimate == pytest.approx(0.95 * 2000 / 1.1, rel=0.001)


def test_a_size_beyond_those_measured_is_modelled() -> None:
    assert {plan.size.vcpu: plan.modelled for plan in plans(1500)} == {0.25: False, 2: True, 1: False}


def test_memory_raises_the_size_that_a_task_needs() -> None:
    assert plans(100, stack(needed_bytes={1: GB}))[0].size.memory_bytes == 2 * GB


def test_workers_tasks_and_pools_stay_within_the_connections_of_the_database() -> None:
    """Seven tasks, and one more during an update, with 16 connections each would be 128."""
    assert plans(1500)[0].connections == 128
    found = plans(1500, connections=100)
    assert (0.25 not in {plan.size.vcpu for plan in found}, found[0].connections) == (True, 64)
    assert plans(1500, connections=10) == []


def test_the_two_next_best_are_of_other_stacks_or_sizes() -> None:
    other = stack(rate=figure(Metric.REQUESTS_PER_CPU_S, 1001, HELLO, subject=Subject(
        framework="c", server="b", image="slim", runtime=DOCKER.runtime, python="3.13"
    )))  # fmt: skip
    found = plans(200, stack(), other)
    assert len({(plan.subject, plan.size.vcpu) for plan in found}) == 3


def test_bursts_need_no_fewer_tasks_than_steady_arrivals() -> None:
    steady, bursts = (plans(1500, p99_s=0.1, burst=burst)[0].month.estimate for burst in (1, 20))
    assert bursts > steady
