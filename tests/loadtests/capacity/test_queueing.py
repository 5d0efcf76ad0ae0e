"""The model agrees with formulas where there are any, and with a request-by-request simulation where there are none."""

import itertools
import math

import numpy as np
import pytest

from loadtests.capacity.queueing import PERIOD_S, Task, Work, chance_of_wait, loaded

MS = 0.001
ONE_CORE = Task(vcpu=1)


def simulated(work: Work, task: Task, rate_rps: float, count: int = 150_000) -> float:
    """Return the 99th percentile on one worker, request by request, by a quota that is renewed every period."""
    draw = np.random.default_rng(7)
    arrivals_s = np.cumsum(draw.exponential(1 / rate_rps, count))
    needed_s = draw.exponential(work.cpu_s, count)
    now_s, period, used_s, times = 0.0, 0, 0.0, []
    for arrival_s, need_s in zip(arrivals_s, needed_s, strict=True):
        now_s, left_s = max(now_s, arrival_s), need_s
        while left_s > 0:
            if now_s >= (period + 1) * PERIOD_S - 1e-12:
                period, used_s = math.floor(now_s / PERIOD_S + 1e-9), 0.0
            end_s = (period + 1) * PERIOD_S
            run_s = min(left_s, task.quota_s - used_s, end_s - now_s)
            now_s, used_s, left_s = now_s + run_s, used_s + run_s, left_s - run_s
            if left_s > 0:
                now_s = end_s
        times.append(now_s - arrival_s)
    return float(np.quantile(times, 0.99))


def test_without_a_quota_response_times_are_those_of_one_queue() -> None:
    """Of an M/M/1 queue they are exponential, with a mean of 1 / (service rate - arrival rate)."""
    at_half = loaded(Work(cpu_s=MS), ONE_CORE, 500)
    assert at_half.p99_s == pytest.approx(math.log(100) / (1000 - 500), rel=0.05)
    assert at_half.busy == pytest.approx(0.5)
    assert at_half.throttled == 0


@pytest.mark.parametrize(("vcpu", "busy"), [(0.25, 0.4), (0.25, 0.8), (0.5, 0.6), (0.5, 0.8)])
def test_at_a_quota_response_times_are_those_of_a_simulation_of_every_request(vcpu: float, busy: float) -> None:
    work, task = Work(cpu_s=MS), Task(vcpu=vcpu)
    rate_rps = busy * vcpu / MS
    assert loaded(work, task, rate_rps).p99_s == pytest.approx(simulated(work, task, rate_rps), rel=0.15)


def test_a_quota_throttles_a_task_that_is_busier_in_some_periods_than_it_allows() -> None:
    light, heavy = (loaded(Work(cpu_s=MS), Task(vcpu=0.5), rate_rps) for rate_rps in (100, 450))
    assert light.throttled < 0.002
    assert 0.05 < heavy.throttled < 0.5
    assert heavy.p99_s > 0.05


@pytest.mark.parametrize("vcpu", [0.5, 1.0])
def test_a_task_that_gets_more_work_than_it_can_do_has_no_99th_percentile(vcpu: float) -> None:
    assert math.isinf(loaded(Work(cpu_s=MS), Task(vcpu=vcpu), 1001 * vcpu).p99_s)


def test_a_request_that_wakes_its_server_up_costs_more() -> None:
    """Starlette at half of its headline rate, 30.6 us a request and 40 us a wake-up: measured 70 % busy."""
    assert loaded(Work(cpu_s=30.6e-6, wakeup_s=40e-6), ONE_CORE, 0.5 / 30.6e-6).busy == pytest.approx(0.698, abs=0.001)


def test_a_server_that_is_never_idle_is_not_woken_up() -> None:
    assert loaded(Work(cpu_s=MS, wakeup_s=MS), ONE_CORE, 999).busy == pytest.approx(0.9995, abs=0.001)


@pytest.mark.parametrize("task", [Task(vcpu=0.5, workers=8), Task(vcpu=0.25)])
def test_a_higher_rate_never_has_a_shorter_response_time_or_less_throttling(task: Task) -> None:
    """Throttling makes requests cheaper, since fewer find their worker idle, but never so much that it pays."""
    work = Work(cpu_s=145e-6, wakeup_s=125e-6)
    rates = [share * task.vcpu / work.cpu_s for share in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9)]
    found = [loaded(work, task, rate_rps) for rate_rps in rates]
    assert [at.throttled for at in found] == sorted(at.throttled for at in found)
    assert all(later.p99_s > 0.95 * earlier.p99_s for earlier, later in itertools.pairwise(found))
    assert math.isfinite(found[-1].p99_s)


def test_each_worker_has_a_queue_of_its_own() -> None:
    """Connections stay with the worker that accepted them, so two queues are no faster than one at half of the rate."""
    two, one = loaded(Work(cpu_s=MS), Task(vcpu=2, workers=2), 1000), loaded(Work(cpu_s=MS), ONE_CORE, 500)
    assert two.p99_s == pytest.approx(one.p99_s, rel=0.03)
    assert two.busy == pytest.approx(one.busy)


@pytest.mark.parametrize("vcpu", [0.5, 1.0])
def test_bursts_take_longer_than_poisson_arrivals_of_the_same_rate(vcpu: float) -> None:
    steady, bursts = (loaded(Work(cpu_s=MS, burst=burst), Task(vcpu=vcpu), 600 * vcpu) for burst in (1, 8))
    assert bursts.p99_s > 1.5 * steady.p99_s
    assert bursts.busy == pytest.approx(steady.busy)


def test_requests_that_wait_take_their_time_and_wake_their_server_up_twice() -> None:
    plain = Work(cpu_s=MS, wakeup_s=MS)
    slow = loaded(Work(cpu_s=MS, wakeup_s=MS, sleep_s=0.08, sleep_share=0.3), ONE_CORE, 100)
    assert slow.p99_s > 0.08
    assert slow.p99_s < 0.1
    assert slow.busy > loaded(plain, ONE_CORE, 100).busy


def test_one_request_in_a_thousand_that_waits_is_beyond_the_99th_percentile() -> None:
    assert loaded(Work(cpu_s=MS, sleep_s=1, sleep_share=0.001), ONE_CORE, 100).p99_s < 0.1


@pytest.mark.parametrize(("slots", "in_service", "chance"), [(1, 0.5, 0.5), (2, 1, 1 / 3), (4, 4, 1), (3, 0, 0)])
def test_the_chance_of_finding_all_threads_taken_is_erlangs(slots: int, in_service: float, chance: float) -> None:
    assert chance_of_wait(slots, in_service) == pytest.approx(chance)
