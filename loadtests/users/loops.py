"""The loops of a process, one per kind and Locust environment, whose counts are merged into Locust's statistics."""

import time
from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

from locust import events
from locust.env import Environment
from locust.stats import RequestStats, StatsEntry, StatsError

from . import histogram
from .closed_loop import ClosedLoop
from .connection import PreparedRequest
from .exchange import Listener
from .tally import Tally

MS_PER_S = 1000

_loops: WeakKeyDictionary[Environment, dict[tuple[type[ClosedLoop], bool], ClosedLoop]] = WeakKeyDictionary()
"""By kind and by whether they fire an event for each request, which the web UI can change between tests."""


def loop_of(environment: Environment, kind: type[ClosedLoop] = ClosedLoop) -> ClosedLoop:
    """Return the loop of this kind that drives all connections of ``environment`` in this process."""
    loops = _loops.setdefault(environment, {})
    listened_to = bool(getattr(environment.parsed_options, "per_request_events", False))
    if (kind, listened_to) not in loops:
        loops[kind, listened_to] = _new_loop(environment, kind, listened_to=listened_to)
    return loops[kind, listened_to]


def all_loops() -> list[tuple[Environment, ClosedLoop]]:
    """Return every loop of this process."""
    return [(environment, loop) for environment, loops in _loops.items() for loop in loops.values()]


def tallies_of(environment: Environment) -> Iterable[Tally]:
    """Return the tallies of ``environment`` in this process."""
    return [tally for loop in _loops.get(environment, {}).values() for tally in loop.tallies.values()]


def all_tallies() -> list[Tally]:
    """Return all tallies of this process."""
    return [tally for environment in list(_loops) for tally in tallies_of(environment)]


def flush_loops(**_: object) -> None:
    """Bring Locust's statistics up to date, before a worker reports them and before they are reset."""
    for loops in _loops.values():
        for loop in loops.values():
            loop.flush()


# Listeners are called in the order in which they were added. Locust adds its own later, when it creates a runner.
events.spawning_complete.add_listener(flush_loops)  # type: ignore[no-untyped-call]
events.report_to_master.add_listener(flush_loops)  # type: ignore[no-untyped-call]


def _new_loop(environment: Environment, kind: type[ClosedLoop], *, listened_to: bool) -> ClosedLoop:
    if listened_to:
        return kind(flush=lambda: None, listener=_event_of(environment))
    merger = Merger(environment)

    def flush() -> None:
        merger.merge(loop.tallies.values())

    loop = kind(flush=flush)
    return loop


def _event_of(environment: Environment) -> Listener:
    """Return a listener that fires Locust's request event, from which Locust and its plugins count."""

    def fire(target: PreparedRequest, elapsed_s: float, body_bytes: int, reason: str | None) -> None:
        environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=target.request.method,
            name=target.request.label,
            response_time=elapsed_s * MS_PER_S,
            response_length=body_bytes,
            exception=reason,
            context={},
        )

    return fire


TIMES_MS = tuple(round(histogram.value_s(bucket) * MS_PER_S, 5) for bucket in range(histogram.BUCKETS))
"""The time of each bucket, rounded to 10 ns because Locust's pages show every digit.

Locust's annotations ask for whole milliseconds; its arithmetic and pages do not."""


class Merger:
    """Adds to Locust's statistics what has been counted since the last merge."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._merged: dict[tuple[str, str], Tally] = {}

    def merge(self, tallies: Iterable[Tally]) -> None:
        """Bring the environment's statistics up to date with ``tallies``."""
        for tally in tallies:
            key = (tally.method, tally.name)
            before = self._merged.get(key) or Tally(method=tally.method, name=tally.name)
            self._merged[key] = tally.copy()
            add(self._environment.stats, tally.since(before), time.time())


def add(stats: RequestStats, tally: Tally, now: float) -> None:
    """Add counts to the entry of their name and to the total.

    Only good responses have a response time, so that Locust's percentiles are those of our histogram; to Locust,
    failures are requests without a time.
    """
    responses = histogram.sparse(tally.counts)
    if responses or tally.failures:
        for entry in (stats.total, stats.entries[tally.name, tally.method]):
            _add_requests(entry, tally, sum(count for _, count in responses), now)
            _add_times(entry, responses)
            entry.total_response_time += tally.total_s * MS_PER_S  # type: ignore[assignment]
        _add_errors(stats, tally, now)


def _add_requests(entry: StatsEntry, tally: Tally, good: int, now: float) -> None:
    second, failed = int(now), tally.failures.total()
    if entry.use_response_times_cache and entry.last_request_timestamp and second > int(entry.last_request_timestamp):
        entry._cache_response_times(second - 1)  # noqa: SLF001 -- what StatsEntry.log does for each request
    entry.num_requests += good + failed
    entry.num_none_requests += failed
    entry.num_failures += failed
    entry.num_reqs_per_sec[second] += good + failed
    entry.num_fail_per_sec[second] += failed
    entry.last_request_timestamp = now
    entry.total_content_length += tally.body_bytes


def _add_times(entry: StatsEntry, responses: Sequence[tuple[int, int]]) -> None:
    times_ms: dict[float, int] = entry.response_times  # type: ignore[assignment]
    for bucket, count in responses:
        times_ms[TIMES_MS[bucket]] += count
    if responses:
        shortest_ms, longest_ms = TIMES_MS[responses[0][0]], TIMES_MS[responses[-1][0]]
        entry.min_response_time = min(shortest_ms, entry.min_response_time or shortest_ms)  # type: ignore[assignment]
        entry.max_response_time = max(longest_ms, entry.max_response_time)  # type: ignore[assignment]


def _add_errors(stats: RequestStats, tally: Tally, now: float) -> None:
    for reason, count in tally.failures.items():
        key = StatsError.create_key(tally.method, tally.name, reason)
        error = stats.errors.setdefault(key, StatsError(tally.method, tally.name, reason))
        error.occurrences += count
        error.first_seen = error.first_seen or now
        error.last_seen = now
