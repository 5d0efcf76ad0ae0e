"""The workers' windows merge into one record, and nothing is estimated for lost workers."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from common.records.window import Latency, Load, OpenLoop, Second
from loadtests.timing import parts as workers
from loadtests.timing.parts import OF_SERVER, OF_WORKERS, Part, latency
from loadtests.users import histogram
from tests.support.records import load

COMPUTED = {
    "duration_s",
    "users",
    "latency_s",
    "littles_law_ratio",
    "generator_cpu_s",
    "server_gone",
    "workers",
    "workers_lost",
    "window_skew_s",
    "open_loop",
    *OF_SERVER,
}
IDLE = replace(load(0, None), generator_cpu_s=0.0)
"""The load of a master, which sends nothing itself."""


def merged(parts: Sequence[Part], master: Load = IDLE, **fields: Any) -> Load:  # noqa: ANN401 -- as the real one
    return workers.merged(parts, master, **fields)


def part(name: str, milliseconds: list[int], *, joined_late: bool = False, **changes: object) -> Part:
    """Return the part of a worker with these response times."""
    counts = histogram.empty()
    for one in milliseconds:
        histogram.record(counts, one / 1000)
    longest_s, mean_s = max(milliseconds) / 1000, sum(milliseconds) / 1000 / len(milliseconds)
    found = load(
        len(milliseconds),
        None,
        histogram=histogram.sparse(counts),
        latency_s=latency(counts, longest_s=longest_s, mean_s=mean_s),
        **changes,
    )
    return Part(worker=name, load=found, joined_late=joined_late)


ONE = part("one", [1, 2, 3], users=2, failures={"timeout": 1}, generator_cpu_s=0.5, steal_s=0.1, in_flight=2)
TWO = part("two", [4, 100], users=3, failures={"timeout": 2, "reset": 1}, generator_cpu_s=0.7, steal_s=0.3, in_flight=1)


OF_WHOLE_WINDOWS = {"slices", "idle_cpu_share", "warmup", "discarded", "steps"}
"""Fields that are not merged: a single process makes slices and climbs and sees servers become warm, and ``discarded``
is filled in afterwards."""


def test_every_field_of_a_load_has_a_rule() -> None:
    assert not OF_WORKERS.keys() & COMPUTED
    assert OF_WORKERS.keys() | COMPUTED | OF_WHOLE_WINDOWS == set(Load.__struct_fields__)


def test_counts_histograms_and_cpu_add_up() -> None:
    both = merged([ONE, TWO], replace(IDLE, generator_cpu_s=0.1, server_cpu_s=1.5), skew_s=0.01)
    assert (both.requests, both.users, both.in_flight) == (5, 5, 3)
    assert both.failures == {"timeout": 3, "reset": 1}
    assert both.generator_cpu_s == pytest.approx(1.3)
    assert both.steal_s == 0.3
    assert (both.server_cpu_s, both.window_skew_s, both.throttled_s) == (1.5, 0.01, None)
    assert both.histogram == part("all", [1, 2, 3, 4, 100]).load.histogram
    assert [worker.name for worker in both.workers] == ["one", "two"]


def test_latency_covers_the_answers_of_all_workers() -> None:
    latency, alone = merged([ONE, TWO]).latency_s, part("all", [1, 2, 3, 4, 100]).load.latency_s
    assert latency is not None
    assert alone is not None
    for name in Latency.__struct_fields__:
        assert getattr(latency, name) == pytest.approx(getattr(alone, name)), name


def test_a_worker_without_an_answer_leaves_the_latency_to_the_others() -> None:
    silent = part("silent", [1], users=1)
    silent = replace(silent, load=replace(silent.load, requests=0, answered=0, latency_s=None, histogram=[]))
    assert merged([ONE, silent, TWO]).latency_s == merged([ONE, TWO]).latency_s


def test_the_server_and_its_cores_are_read_by_the_master_alone() -> None:
    master = replace(IDLE, server_cores_busy_s=1.2, server_steal_s=0.3, server_processes_ended=1)
    found = merged([ONE, TWO], master)
    assert (found.server_cores_busy_s, found.server_steal_s, found.server_processes_ended) == (1.2, 0.3, 1)


def test_the_record_of_a_single_worker_is_unchanged() -> None:
    alone = merged([ONE])
    for name in set(Load.__struct_fields__) - {"workers", "littles_law_ratio"}:
        assert getattr(alone, name) == getattr(ONE.load, name), name


def test_littles_law_ratio_of_all_workers_is_1_if_each_ones_is() -> None:
    ratio = merged([ONE, TWO]).littles_law_ratio
    assert ratio is not None
    assert math.isclose(ratio, 1.0)


def test_a_late_worker_counts_without_shortening_the_window() -> None:
    late = part("late", [5], users=1, duration_s=0.5, joined_late=True)
    found = merged([ONE, TWO, late])
    assert (found.requests, found.duration_s) == (6, 2.0)
    assert [worker.joined_late for worker in found.workers] == [True, False, False]


def arrivals(planned: int, lag_ms: int) -> OpenLoop:
    """Return an open loop in which every arrival was sent this late."""
    lag = histogram.empty()
    lag[histogram.index(lag_ms * histogram.TICKS_PER_S // 1000)] = planned
    return OpenLoop(
        rate_rps=1.0,
        planned=planned,
        queued=1,
        waiting=2,
        never_sent=3,
        from_send_s=None,
        from_send_histogram=[],
        send_lag_s=latency(lag),
        send_lag_histogram=histogram.sparse(lag),
    )


def test_open_loops_add_up_and_have_the_total_rate() -> None:
    parts = [part("a", [1], open_loop=arrivals(90, lag_ms=1)), part("b", [1], open_loop=arrivals(10, lag_ms=50))]
    loop = merged(parts, rate_rps=50.0).open_loop
    assert loop is not None
    assert (loop.rate_rps, loop.planned, loop.queued, loop.waiting, loop.never_sent) == (50.0, 100, 2, 4, 6)
    assert loop.send_lag_s is not None
    assert loop.send_lag_s.p90 == pytest.approx(0.001, rel=0.01)
    assert loop.send_lag_s.p99 == pytest.approx(0.050, rel=0.01)
    assert loop.from_send_s is None


def test_every_workers_seconds_are_kept() -> None:
    """The verdict on the generator depends on the worst second of any worker."""
    second = Second(
        duration_s=1, cpu_share=0.9, run_delay_share=0, loop_lag_s=0, send_lag_s=None, open=1, in_flight=1, sent=1,
        answered=1, littles_law_ratio=None,
    )  # fmt: skip
    assert merged([part("a", [1], seconds=[second]), part("b", [1], seconds=[second, second])]).seconds == [second] * 3


def test_lost_workers_are_only_counted() -> None:
    found = merged([ONE], workers_lost=2)
    assert (found.workers_lost, found.requests, len(found.workers)) == (2, 3, 1)


@pytest.mark.parametrize(
    ("first", "second", "seen"), [("gone", "gone too", "gone"), ("gone", None, None), (None, None, None)]
)
def test_the_server_is_gone_if_all_workers_lost_it(first: str | None, second: str | None, seen: str | None) -> None:
    assert merged([part("a", [1], server_gone=first), part("b", [1], server_gone=second)]).server_gone == seen
