"""The sums over the slices of one server."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from common.host.meters import CpuReading
from common.records.window import Load
from loadtests.timing.slice_sums import Counters, Measured, load_of
from loadtests.users.tally import Tally

SLICE_S, SKIPPED_S, THROTTLED = 0.4, 0.04, 0.75
"""Slices of a server of 0.25 vCPU, which its quota stops for three quarters of the time."""


def _counters(at_s: float, server_cpu_s: float | None = 0.0) -> Counters:
    return Counters(
        at_s=at_s, tallies=(), server_cpu_s=server_cpu_s, sent=0, reconnects=0, generator_cpu_s=0.0, run_delay_s=0.0
    )


def _measured(server_cpu_s: float | None = 0.1) -> Measured:
    return Measured(first=_counters(SKIPPED_S), last=_counters(SLICE_S, server_cpu_s), open_min=16)


def _load(counted: int, made: int, throttled_s: float | None) -> Load:
    return _load_of([_measured()] * counted, made, throttled_s)


def _load_of(measured: Sequence[Measured], made: int, throttled_s: float | None = None) -> Load:
    return load_of(
        measured,
        [],
        users=16,
        counted_all=False,
        readings=[
            CpuReading(cpu_s=0, throttled_s=None if throttled_s is None else 0),
            CpuReading(cpu_s=1, throttled_s=throttled_s),
        ],
        loaded_s=made * SLICE_S,
        idle_cpu_share=None,
        server_gone=None,
    )


def test_what_counts_is_what_was_added_during_the_slices() -> None:
    earlier = Tally(method="GET", name="hello")
    earlier.count_good(0.5, 13)
    later = earlier.copy()
    for _ in range(3):
        later.count_good(0.002, 13)
    later.count_wrong("wrong body")
    later.count_lost("timeout")
    one = Measured(
        first=Counters(at_s=10.0, tallies=(earlier,), server_cpu_s=5.0, sent=100, reconnects=1, generator_cpu_s=2.0,
                       run_delay_s=0.5),
        last=Counters(at_s=10.4, tallies=(later,), server_cpu_s=5.3, sent=105, reconnects=3, generator_cpu_s=2.1,
                      run_delay_s=0.6),
        open_min=15,
    ).beside(others_s=0.05, steal_s=0.01, steal_all_s=0.02, server_steal_s=0.03)  # fmt: skip
    seen = _load_of([one, replace(one, open_min=16)], 2)
    assert (seen.sent, seen.answered, seen.requests) == (10, 8, 6)
    assert seen.failures == {"wrong body": 2, "timeout": 2}
    assert (seen.in_flight, seen.connections_open_min, seen.reconnects) == (16, 15, 4)
    assert (seen.duration_s, seen.server_cpu_s, seen.server_cores_busy_s) == pytest.approx((0.8, 0.6, 0.7))
    assert (seen.generator_cpu_s, seen.generator_run_delay_s) == pytest.approx((0.2, 0.2))
    assert (seen.steal_s, seen.steal_all_s, seen.server_steal_s) == pytest.approx((0.02, 0.04, 0.06))
    assert seen.littles_law_ratio == pytest.approx(6 * 0.002 / 0.8 / 16)
    assert seen.latency_s is not None
    assert seen.latency_s.mean == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("answered", "wrong", "lost", "expected"),
    [(0, 0, 2, True), (1, 0, 2, False), (0, 1, 2, False), (0, 0, 0, False)],
)
def test_only_requests_without_any_answer_are_a_sign_of_a_lost_server(
    answered: int,
    wrong: int,
    lost: int,
    expected: bool,  # noqa: FBT001
) -> None:
    tally = Tally(method="GET", name="hello", wrong=wrong, lost=lost)
    for _ in range(answered):
        tally.count_good(0.001, 13)
    last = replace(_counters(SLICE_S), tallies=(tally,))
    assert Measured(first=_counters(SKIPPED_S), last=last, open_min=0).only_lost is expected


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
def test_the_servers_cpu_time_is_known_if_it_is_in_every_slice(slices: list[Measured], cpu_s: float | None) -> None:
    assert _load_of(slices, len(slices)).server_cpu_s == cpu_s
