"""A slice is what was counted in it and its share of what else ran; a server's load is the sum of its slices."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from common.host.cores import CoreTimes
from common.host.meters import CpuReading
from common.records.window import Load, Slice
from loadtests.timing.reading import CoreReading, Reading
from loadtests.timing.slice_sums import load_of, slice_of
from loadtests.users.tally import Tally
from tests.support import records

SLICE_S, SKIPPED_S, THROTTLED = 0.4, 0.04, 0.75
"""Slices of a server of 0.25 vCPU, which its quota stops for three quarters of the time."""


def _reading(at_s: float, server_cpu_s: float | None = 0.0) -> Reading:
    server = None if server_cpu_s is None else CpuReading(cpu_s=server_cpu_s)
    return Reading(at_s=at_s, users=16, open_min=16, server=server, generator_cpu_s=0.0)


def _measured(server_cpu_s: float | None = 0.1) -> Load:
    return _reading(SLICE_S, server_cpu_s) - _reading(SKIPPED_S)


def _load(counted: int, made: int, throttled_s: float | None) -> Load:
    return _load_of([_measured()] * counted, made, throttled_s)


def _load_of(loads: Sequence[Load], made: int, throttled_s: float | None = None, *, counted_all: bool = False) -> Load:
    return load_of(
        loads,
        [],
        users=16,
        counted_all=counted_all,
        readings=[
            CpuReading(cpu_s=0, throttled_s=None if throttled_s is None else 0),
            CpuReading(cpu_s=1, throttled_s=throttled_s),
        ],
        loaded_s=made * SLICE_S,
        warmup=None,
        idle_cpu_share=None,
        server_gone=None,
    )


def test_a_window_is_the_sum_of_its_slices() -> None:
    earlier = Tally(method="GET", name="hello")
    earlier.count_good(0.5, 13)
    later = earlier.copy()
    for _ in range(3):
        later.count_good(0.002, 13)
    later.longest_s = 0.002
    later.count_wrong("wrong body")
    later.count_lost("timeout")
    first = Reading(at_s=10.0, users=16, tallies=(earlier,), server=CpuReading(cpu_s=5.0), sent=100, reconnects=1,
                    generator_cpu_s=2.0, run_delay_s=0.5)  # fmt: skip
    last = Reading(at_s=10.4, users=16, tallies=(later,), server=CpuReading(cpu_s=5.3), sent=105, reconnects=3,
                   open_min=15, generator_cpu_s=2.1, run_delay_s=0.6)  # fmt: skip
    load = changed(last - first, server_cores_busy_s=0.35, steal_s=0.01, steal_all_s=0.02, server_steal_s=0.03)
    seen = _load_of([load, changed(load, connections_open_min=16)], 2)
    assert (seen.sent, seen.answered, seen.requests, seen.users) == (10, 8, 6, 16)
    assert seen.failures == {"wrong body": 2, "timeout": 2}
    assert (seen.in_flight, seen.connections_open_min, seen.reconnects) == (16, 15, 4)
    assert (seen.duration_s, seen.server_cpu_s, seen.server_cores_busy_s) == pytest.approx((0.8, 0.6, 0.7))
    assert (seen.generator_cpu_s, seen.generator_run_delay_s) == pytest.approx((0.2, 0.2))
    assert (seen.steal_s, seen.steal_all_s, seen.server_steal_s) == pytest.approx((0.02, 0.04, 0.06))
    assert seen.littles_law_ratio == pytest.approx(6 * 0.002 / 0.8 / 16)
    assert seen.latency_s is not None
    assert (seen.latency_s.mean, seen.latency_s.max) == pytest.approx((0.002, 0.002))


def test_slices_that_end_with_their_last_response_leave_nothing_in_flight() -> None:
    seen = _load_of([_measured()], 1, counted_all=True)
    assert (seen.in_flight, seen.littles_law_ratio) == (0, None)


@pytest.mark.parametrize(("counted", "made"), [(24, 24), (24, 36), (36, 36)])
def test_the_share_of_the_time_throttled_is_that_of_the_time_loaded(counted: int, made: int) -> None:
    """The meter counts what is skipped of a slice too, and slices that do not count."""
    seen = _load(counted, made, throttled_s=made * SLICE_S * THROTTLED)
    assert seen.throttled_s is not None
    assert seen.throttled_s / seen.duration_s == pytest.approx(THROTTLED)


@pytest.mark.parametrize(("made", "throttled_s"), [(24, None), (0, 0.0)])
def test_the_time_throttled_is_unknown_without_a_quota_or_a_slice(made: int, throttled_s: float | None) -> None:
    assert _load(made, made, throttled_s).throttled_s is None


@pytest.mark.parametrize(
    ("slices", "cpu_s"),
    [([_measured(), _measured(0.2)], pytest.approx(0.3)), ([_measured(), _measured(None)], None), ([], None)],
)
def test_the_servers_cpu_time_is_known_if_it_is_in_every_slice(slices: list[Load], cpu_s: float | None) -> None:
    assert _load_of(slices, len(slices)).server_cpu_s == cpu_s


def _surroundings(
    at_s: float = 0.0,
    *,
    server_cpu_s: float | None = 0.0,
    generator_cpu_s: float = 0.0,
    server_cores_s: float | None = 0.0,
    generator_cores_s: float | None = 0.0,
    steal_s: float = 0.0,
) -> Reading:
    """Return a reading of counters that stood at 5 s before a slice; half of the steal was on either side."""
    stolen = CoreTimes(busy_s=0.0, steal_s=5.0 + steal_s)
    half = replace(stolen, steal_s=5.0 + steal_s / 2)
    return Reading(
        at_s=5.0 + at_s,
        server=None if server_cpu_s is None else CpuReading(cpu_s=5.0 + server_cpu_s),
        generator_cpu_s=5.0 + generator_cpu_s,
        cores=CoreReading(
            own=half,
            everywhere=stolen,
            server=half,
            own_busy_s=None if generator_cores_s is None else 5.0 + generator_cores_s,
            server_busy_s=None if server_cores_s is None else 5.0 + server_cores_s,
        ),
    )


def _slice(after: Reading, **changes: object) -> tuple[Slice, Load]:
    """Return the record of a slice that counts for half of the time between two readings, 0.1 s apart."""
    load = _reading(0.08) - _reading(0.03)
    counted, made = slice_of(load, _surroundings(), after, number=1, start_s=0.0, setup=records.setup(**changes))
    return made, counted


BUSY: dict[str, Any] = {"server_cpu_s": 0.09, "generator_cpu_s": 0.03}
ONE_CORE_EACH: dict[str, Any] = {"server_cores_s": 0.09, "generator_cores_s": 0.03}


@pytest.mark.parametrize(
    ("seen", "disturbed"),
    [
        (ONE_CORE_EACH, False),
        (ONE_CORE_EACH | {"server_cores_s": 0.099}, False),
        (ONE_CORE_EACH | {"server_cores_s": 0.101}, True),
        (ONE_CORE_EACH | {"generator_cores_s": 0.039}, False),
        (ONE_CORE_EACH | {"generator_cores_s": 0.041}, True),
        (ONE_CORE_EACH | {"steal_s": 0.009}, False),
        (ONE_CORE_EACH | {"steal_s": 0.011}, True),
    ],
)
def test_a_slice_is_disturbed_by_a_tenth_of_either_sides_cores_or_a_twentieth_stolen_of_all(
    seen: dict[str, float],
    disturbed: bool,  # noqa: FBT001
) -> None:
    made, _ = _slice(_surroundings(0.1, **BUSY | seen))
    assert made.disturbed is disturbed


def test_what_ran_on_the_cores_meanwhile_counts_for_the_part_that_counts() -> None:
    after = _surroundings(0.1, **BUSY | {"server_cores_s": 0.094, "generator_cores_s": 0.036, "steal_s": 0.008})
    made, counted = _slice(after)
    assert (made.others_s, made.generator_others_s, made.steal_s) == pytest.approx((0.004, 0.006, 0.008))
    assert counted.server_cores_busy_s == pytest.approx(0.002)  # the server itself used nothing
    assert (counted.steal_all_s, counted.steal_s, counted.server_steal_s) == pytest.approx((0.004, 0.002, 0.002))


def test_on_shared_cores_neither_side_is_a_disturbance_of_the_other() -> None:
    both_s = BUSY["server_cpu_s"] + BUSY["generator_cpu_s"] + 0.005
    after = _surroundings(0.1, **BUSY, server_cores_s=both_s, generator_cores_s=both_s)
    made, _ = _slice(after, server_cores=[0, 1], generator_cores=[0, 1])
    assert (made.others_s, made.generator_others_s) == pytest.approx((0.005, 0.005))


@pytest.mark.parametrize("unknown", ["server_cpu_s", "server_cores_s"])
def test_what_others_used_is_unknown_without_either_meter(unknown: str) -> None:
    made, counted = _slice(_surroundings(0.1, **BUSY | ONE_CORE_EACH | {unknown: None}))
    assert (made.others_s, made.generator_others_s, counted.server_cores_busy_s) == (None, None, None)
    assert not made.disturbed


def test_what_a_database_uses_of_the_generators_cores_disturbs_nothing() -> None:
    setup = records.setup()
    load = replace(_reading(SLICE_S), database_cpu_s=0.2) - replace(_reading(SKIPPED_S), database_cpu_s=0.05)
    before, after = _surroundings(), _surroundings(0.4, generator_cores_s=0.2)
    counted, made = slice_of(
        load,
        replace(before, database_cpu_s=1.0),
        replace(after, database_cpu_s=1.2),
        number=1,
        start_s=0.0,
        setup=setup,
    )
    assert made.generator_others_s == pytest.approx(0.0)
    assert not made.disturbed
    assert made.database_cpu_s == pytest.approx(0.15)
    assert _load_of([counted, counted], 2).database_cpu_s == pytest.approx(0.3)
    _, unknown = slice_of(load, before, after, number=1, start_s=0.0, setup=setup)
    assert unknown.disturbed
