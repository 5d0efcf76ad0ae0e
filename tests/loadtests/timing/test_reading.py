"""The difference of two readings is the record of a load."""

import pytest

from common.host.cores import CoreTimes
from common.host.meters import CpuReading
from loadtests.timing.reading import ArrivalCounters, CoreReading, Reading
from loadtests.users import histogram
from loadtests.users.tally import Tally


def _cores(busy_s: float, steal_s: float, *, server: bool = True) -> CoreReading:
    own, everywhere, servers = (CoreTimes(busy_s=scale * busy_s, steal_s=scale * steal_s) for scale in (1, 4, 2))
    return CoreReading(own=own, everywhere=everywhere, server=servers if server else None)


def _tally(good: int, failures: int = 0) -> Tally:
    tally = Tally(method="GET", name="/hello")
    for _ in range(good):
        tally.count_good(0.004, 13)
    for _ in range(failures):
        tally.count_wrong("wrong body")
    return tally


def test_a_load_is_what_was_counted_between_two_readings() -> None:
    first = Reading(at_s=10.0, users=1, tallies=(_tally(5),), sent=5, generator_cpu_s=1.0, run_delay_s=0.1)
    last = Reading(at_s=12.0, users=2, tallies=(_tally(8, failures=1),), sent=10, in_flight=1, open_min=2,
                   reconnects=3, generator_cpu_s=1.5, run_delay_s=0.3)  # fmt: skip
    seen = last - first
    assert (seen.duration_s, seen.users, seen.connections_open_min, seen.in_flight) == (2.0, 2, 2, 1)
    assert (seen.sent, seen.answered, seen.requests, seen.failures) == (5, 4, 3, {"wrong body": 1})
    assert (seen.reconnects, seen.generator_cpu_s) == (3, 0.5)
    assert seen.generator_run_delay_s == pytest.approx(0.2)
    assert seen.littles_law_ratio == pytest.approx(3 * 0.004 / 2.0 / 2)
    assert seen.latency_s is not None
    assert seen.latency_s.p50 == pytest.approx(0.004, rel=0.004)
    assert (seen.open_loop, seen.server_gone, seen.server_cpu_s, seen.server_steal_s) == (None, None, None, None)


def test_the_servers_meter_and_cores_are_subtracted_where_both_readings_have_them() -> None:
    meters = (
        CpuReading(cpu_s=1.0, throttled_s=0.5, throttled_periods=2, processes=frozenset({1, 2})),
        CpuReading(cpu_s=3.0, throttled_s=0.75, throttled_periods=5, processes=frozenset({2, 3, 4})),
    )
    first, last = (
        Reading(at_s=float(number), generator_cpu_s=0.0, server=meter, cores=_cores(1.0 + number, 0.1 * number))
        for number, meter in enumerate(meters)
    )
    seen = last - first
    assert (seen.server_cpu_s, seen.throttled_s, seen.throttled_periods) == (2.0, 0.25, 3)
    assert (seen.server_processes_ended, seen.server_processes_begun) == (1, 2)
    assert (seen.steal_s, seen.steal_all_s, seen.server_steal_s) == pytest.approx((0.1, 0.4, 0.2))
    assert seen.server_cores_busy_s == 2.0
    lost = last.with_server(None) - first
    assert (lost.server_cpu_s, lost.throttled_s, lost.server_processes_ended) == (None, None, None)


def test_unknown_cores_of_the_server_leave_what_others_used_unknown() -> None:
    first, last = (
        Reading(at_s=at_s, generator_cpu_s=0.0, cores=_cores(at_s, at_s, server=False)) for at_s in (0.0, 1.0)
    )
    seen = last - first
    assert (seen.steal_s, seen.server_steal_s, seen.server_cores_busy_s) == (1.0, None, None)


def test_arrivals_of_an_open_loop_are_subtracted_and_keep_the_rate_that_was_asked_for() -> None:
    counts = histogram.empty()
    first = ArrivalCounters(
        rate_rps=50.0, planned=10, queued=1, given_up=0, waiting=4, from_send=counts, send_lag=counts.copy()
    )
    counts = histogram.empty()
    histogram.record(counts, 0.002)
    last = ArrivalCounters(
        rate_rps=0.0, planned=60, queued=3, given_up=2, waiting=1, from_send=counts, send_lag=counts.copy()
    )
    seen = (
        Reading(at_s=1.0, generator_cpu_s=0.0, arrivals=last) - Reading(at_s=0.0, generator_cpu_s=0.0, arrivals=first)
    ).open_loop
    assert seen is not None
    assert (seen.rate_rps, seen.planned, seen.queued, seen.never_sent, seen.waiting) == (50.0, 50, 2, 2, 1)
    assert seen.send_lag_s is not None
    assert seen.send_lag_s.max == pytest.approx(0.002, rel=0.004)
