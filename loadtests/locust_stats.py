"""Our counts, added to Locust's statistics, so that its pages, files, reports and workers show them."""

import time
from collections.abc import Iterable

from locust.env import Environment
from locust.stats import RequestStats, StatsEntry, StatsError

from loadtests import histogram
from loadtests.tally import Tally

MS_PER_S = 1000


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
    if tally.good or tally.failures:
        for entry in (stats.total, stats.entries[tally.name, tally.method]):
            _add_answers(entry, tally, now)
            _add_times(entry, tally)
        _add_errors(stats, tally, now)


def _add_answers(entry: StatsEntry, tally: Tally, now: float) -> None:
    second = int(now)
    failed = tally.failures.total()
    if entry.use_response_times_cache and entry.last_request_timestamp and second > int(entry.last_request_timestamp):
        entry._cache_response_times(second - 1)  # noqa: SLF001 -- what StatsEntry.log does for each request
    entry.num_requests += tally.good + failed
    entry.num_none_requests += failed
    entry.num_failures += failed
    entry.num_reqs_per_sec[second] += tally.good + failed
    entry.num_fail_per_sec[second] += failed
    entry.last_request_timestamp = now
    entry.total_content_length += tally.body_bytes


def _add_times(entry: StatsEntry, tally: Tally) -> None:
    """Add response times in milliseconds; Locust's annotations say ``int``, its arithmetic takes fractions."""
    times_ms: dict[float, int] = entry.response_times  # type: ignore[assignment]
    pairs = [(histogram.value_s(bucket) * MS_PER_S, count) for bucket, count in histogram.sparse(tally.counts)]
    for time_ms, count in pairs:
        times_ms[time_ms] += count
    if pairs:
        entry.total_response_time += tally.total_s * MS_PER_S  # type: ignore[assignment]
        entry.min_response_time = min(pairs[0][0], entry.min_response_time or pairs[0][0])  # type: ignore[assignment]
        entry.max_response_time = max(pairs[-1][0], entry.max_response_time)  # type: ignore[assignment]


def _add_errors(stats: RequestStats, tally: Tally, now: float) -> None:
    for reason, count in tally.failures.items():
        key = StatsError.create_key(tally.method, tally.name, reason)
        error = stats.errors.setdefault(key, StatsError(tally.method, tally.name, reason))
        error.occurrences += count
        error.first_seen = error.first_seen or now
        error.last_seen = now
