"""Locust's statistics agree with ours: counts, percentiles and failures."""

import random

import pytest
from locust.env import Environment
from locust.stats import RequestStats

from loadtests.users import histogram
from loadtests.users.loops import Merger, add
from loadtests.users.tally import Tally


def tally_of(count: int, seed: int = 1) -> Tally:
    randomness = random.Random(seed)  # noqa: S311 -- not cryptography
    tally = Tally(method="GET", name="/hello")
    for _ in range(count):
        tally.count_good(randomness.lognormvariate(-7, 1), 13)
    return tally


def test_percentiles_are_the_histograms_not_rounded_by_locust() -> None:
    stats, tally = RequestStats(), tally_of(5000)
    add(stats, tally, 1000.0)
    for fraction in (0.5, 0.99):
        seen_ms = stats.total.get_response_time_percentile(fraction)
        expected_s = histogram.percentile_s(tally.counts, fraction)
        assert expected_s is not None
        assert seen_ms == pytest.approx(expected_s * 1000, rel=0.01)


def test_counts_sums_and_seconds_are_added_to_the_entry_and_to_the_total() -> None:
    stats, tally = RequestStats(), tally_of(100)
    tally.count_wrong("wrong body")
    tally.count_lost("timeout")
    add(stats, tally, 1000.0)
    for entry in (stats.total, stats.get("/hello", "GET")):
        assert (entry.num_requests, entry.num_failures, entry.num_none_requests) == (102, 2, 2)
        assert entry.num_reqs_per_sec == {1000: 102}
        assert entry.num_fail_per_sec == {1000: 2}
        assert entry.avg_response_time == pytest.approx(tally.total_s / 100 * 1000)
        assert entry.total_content_length == 1300


def test_each_kind_of_failure_has_a_row_with_its_count() -> None:
    stats, tally = RequestStats(), Tally(method="GET", name="/hello")
    for reason in ("timeout", "status 503", "timeout"):
        tally.count_lost(reason)
    add(stats, tally, 1000.0)
    add(stats, tally, 1001.0)
    rows = {str(error.error): (error.occurrences, error.first_seen, error.last_seen) for error in stats.errors.values()}
    assert rows == {"timeout": (4, 1000.0, 1001.0), "status 503": (2, 1000.0, 1001.0)}


def test_only_new_counts_are_merged_even_after_locust_resets_its_statistics() -> None:
    environment = Environment()
    merger, tally = Merger(environment), tally_of(10)
    merger.merge([tally])
    merger.merge([tally])
    assert environment.stats.num_requests == 10
    environment.stats.clear_all()
    tally.count_good(0.001, 13)
    merger.merge([tally])
    assert environment.stats.num_requests == 1
