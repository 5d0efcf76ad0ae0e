"""Our counts, added to Locust's statistics, so that its pages, files, reports and workers show them."""

import time
from collections.abc import Iterable, Sequence

from locust.env import Environment
from locust.stats import RequestStats, StatsEntry, StatsError

from . import histogram
from .tally import Tally

MS_PER_S = 1000
TIMES_MS = tuple(round(histogram.value_s(bucket) * MS_PER_S, 5) for bucket in range(histogram.BUCKETS))
"""What each bucket stands for, in tens of nanoseconds, since pages show every digit there is. Locust's annotations want
whole milliseconds, its arithmetic and its pages do not."""


class Merger:
    """Adds to Locust's statistics what has been counted since it did so last."""

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
    """Add a second's counts to the entry of their name and to the total.

    Only good answers have a response time here, so that Locust's percentiles are those of our histogram; failures are
    requests whose time is ``None`` to Locust.
    """
    answers = histogram.sparse(tally.counts)
    if answers or tally.failures:
        for entry in (stats.total, stats.entries[tally.name, tally.method]):
            _add_requests(entry, tally, sum(count for _, count in answers), now)
            _add_times(entry, answers)
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


def _add_times(entry: StatsEntry, answers: Sequence[tuple[int, int]]) -> None:
    times_ms: dict[float, int] = entry.response_times  # type: ignore[assignment]
    for bucket, count in answers:
        times_ms[TIMES_MS[bucket]] += count
    if answers:
        shortest_ms, longest_ms = TIMES_MS[answers[0][0]], TIMES_MS[answers[-1][0]]
        entry.min_response_time = min(shortest_ms, entry.min_response_time or shortest_ms)  # type: ignore[assignment]
        entry.max_response_time = max(longest_ms, entry.max_response_time)  # type: ignore[assignment]


def _add_errors(stats: RequestStats, tally: Tally, now: float) -> None:
    for reason, count in tally.failures.items():
        key = StatsError.create_key(tally.method, tally.name, reason)
        error = stats.errors.setdefault(key, StatsError(tally.method, tally.name, reason))
        error.occurrences += count
        error.first_seen = error.first_seen or now
        error.last_seen = now
