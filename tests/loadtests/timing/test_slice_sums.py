"""The sums over the slices of one server."""

from collections.abc import Sequence

import pytest

from common.host.meters import CpuReading
from common.records.window import Load
from loadtests.timing.slice_sums import Counters, Measured, load_of

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
