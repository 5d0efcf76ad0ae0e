"""A climb raises the load until the objective breaks twice, and ends close to where it broke."""

from typing import Any

import pytest
from msgspec.structs import replace

from common.records.load import Objective
from common.records.window import Load, LoadStep, OpenLoop
from loadtests.analysis.climbing import MOST_STEPS, PRECISION, broken, knee, memory_per_target_bytes, next_target
from loadtests.users import histogram
from tests.support.records import load

P99 = Objective(fraction=0.99, limit_s=0.050)


def climbed(limit: float, *, first: float, most: float = 1e6, whole: bool = False) -> list[float]:
    """Return the targets tried if all up to ``limit`` hold."""
    tried: list[tuple[float, bool]] = []
    while (target := next_target(tried, first=first, most=most, whole=whole)) is not None:
        tried.append((target, target <= limit))
        assert len(tried) <= MOST_STEPS
    return [target for target, _ in tried]


@pytest.mark.parametrize("limit", [3.0, 100.0, 101.0, 777.0, 12_345.0, 200_000.0])
@pytest.mark.parametrize("first", [1.0, 100.0, 5_000.0, 90_000.0])
def test_the_knee_is_found_to_the_precision_wherever_the_climb_begins(limit: float, first: float) -> None:
    held = max(target for target in climbed(limit, first=first) if target <= limit)
    assert held <= limit <= held * (1 + PRECISION) * 1.001


@pytest.mark.parametrize("limit", [1, 2, 3, 15, 16, 17, 999])
def test_whole_targets_stay_whole_and_are_tried_at_most_twice(limit: int) -> None:
    tried = climbed(limit, first=16, most=10_000, whole=True)
    assert all(target == int(target) and tried.count(target) <= 2 for target in tried)
    held = max(target for target in tried if target <= limit)
    assert held <= limit <= max(held + 1, held * 1.13)


def test_a_climb_ends_at_the_highest_target_allowed() -> None:
    assert climbed(1e9, first=16, most=100) == [16, 32, 64, 100]


def test_a_climb_ends_if_no_target_holds() -> None:
    assert climbed(0, first=8, whole=True) == [8, 8, 4, 4, 2, 2, 1, 1]


def test_one_disturbance_does_not_end_a_climb() -> None:
    assert next_target([(10, True), (20, False)], first=10, most=100) == 20
    assert next_target([(10, True), (20, False), (20, True)], first=10, most=100) == 40
    assert next_target([(10, True), (20, False), (20, False)], first=10, most=100) == pytest.approx(200**0.5)


def _load(slow: int, *, waiting: int = 0, never_sent: int = 0, **changes: Any) -> Load:  # noqa: ANN401 -- any field
    counts = histogram.empty()
    for number in range(1000):
        histogram.record(counts, 0.080 if number < slow else 0.010)
    opened = OpenLoop(
        rate_rps=500, planned=1000, queued=0, waiting=waiting, never_sent=never_sent, from_send_s=None,
        from_send_histogram=[], send_lag_s=None, send_lag_histogram=[],
    )  # fmt: skip
    return load(1000, histogram=histogram.sparse(counts), open_loop=opened, **changes)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (_load(0), None),
        (_load(10), None),
        (_load(11), "p99 was 80.1 ms, above 50 ms"),
        (_load(0, failures={"timeout": 1}), "1 request failed"),
        (_load(5, waiting=3), None),
        (_load(5, waiting=3, never_sent=3), "p99 was 80.1 ms, above 50 ms"),
        (_load(0, never_sent=20), "20 of 1020 arrivals were not sent"),
        (_load(0, server_gone="it died"), "it died"),
        (load(0, histogram=[]), "nothing was answered"),
        (replace(_load(10), open_loop=None), None),
    ],
)
def test_an_objective_is_broken_by_slow_responses_failures_and_unsent_arrivals(seen: Load, why: str | None) -> None:
    assert broken(P99, seen) == why


def _step(target: float, memory_bytes: int | None, broken: str | None = None) -> LoadStep:
    return LoadStep(
        target=target, throughput_rps=target, requests=100, p50_s=0.01, p99_s=0.02, generator_cpu_share=0.1,
        memory_bytes=memory_bytes, broken=broken,
    )  # fmt: skip


def test_the_knee_is_the_highest_step_that_held() -> None:
    assert knee([_step(10, None), _step(40, None, "slow"), _step(20, None)]) == 20
    assert knee([_step(10, None, "slow")]) is None


def test_memory_per_target_comes_from_the_lowest_and_highest_steps_that_held() -> None:
    assert memory_per_target_bytes([_step(10, 1000), _step(30, 5000), _step(90, 9999, "slow")]) == 200
    assert memory_per_target_bytes([_step(10, 1000)]) is None
    assert memory_per_target_bytes([_step(10, None), _step(20, None)]) is None
