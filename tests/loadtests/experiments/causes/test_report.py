"""Changed conditions are compared with unchanged ones within rounds, and each ratio is one sentence."""

import math

import pytest

from loadtests.experiments.causes.experiment import surroundings
from loadtests.experiments.causes.report import cause_ratios, cause_sentences, summarise
from loadtests.experiments.latency.records import CausesRun, TrafficVisit
from tests.support.traffic_records import a_causes_run, a_visit, answers

ONE = "one at a time"
TIMES_S = {512 * 2**20: 0.001, 1024 * 2**20: 0.004, 2048 * 2**20: 0.001}
"""Response times by memory limit; every changed point takes 6 ms."""


def made(requests: int = 500) -> tuple[CausesRun, list[TrafficVisit]]:
    """Return rounds that grow slower, in which changed points take three times as long as plain ones on average."""
    points = surroundings("a+b", why_no_proxy=None)
    visits = [
        a_visit(
            one,
            number,
            {
                traffic.name: answers(TIMES_S.get(one.size.memory_bytes or 0, 0.006) * number, requests)
                for traffic in one.traffic
            },
        )
        for number in range(1, 6)
        for one in points
    ]
    return a_causes_run(points), visits


def test_a_changed_point_is_compared_with_the_plain_points_of_its_size() -> None:
    found = {(one.point, one.traffic): one for one in cause_ratios(*made())}
    short = found["a+b 0.25 vCPU 1 worker, short period", ONE]
    assert short.against == ["a+b 0.25 vCPU 512 MB", "a+b 0.25 vCPU 1024 MB"]
    assert short.mean_ratio is not None
    assert (short.mean_ratio.n, short.p99_ratio is not None) == (5, True)
    assert short.mean_ratio.estimate == pytest.approx(0.006 / math.sqrt(0.001 * 0.004))
    assert short.mean_ratio.low == pytest.approx(short.mean_ratio.estimate)


def test_a_size_is_compared_with_the_largest_and_a_memory_limit_with_the_first() -> None:
    pairs = {(one.point, *one.against) for one in cause_ratios(*made())}
    assert ("a+b 0.25 vCPU 512 MB", "a+b 1 vCPU 2048 MB") in pairs
    assert ("a+b 0.25 vCPU 1024 MB", "a+b 0.25 vCPU 512 MB") in pairs
    assert not [pair for pair in pairs if pair[0] in pair[1:]]


def test_a_point_that_could_not_be_measured_is_not_compared() -> None:
    points = surroundings("a+b", why_no_proxy="there is no docker-proxy")
    compared = {one.point for one in cause_ratios(a_causes_run(points), [])}
    assert compared
    assert compared.isdisjoint(point.name for point in points if point.missing)


def test_stacks_are_not_compared_with_each_other() -> None:
    points = [point for stack in ("a+b", "c+d") for point in surroundings(stack, why_no_proxy=None)]
    ratios = cause_ratios(a_causes_run(points), [])
    assert {one.point.split()[0] for one in ratios} == {"a+b", "c+d"}
    assert all(name.startswith(one.point.split()[0]) for one in ratios for name in one.against)


def test_more_workers_than_vcpus_are_a_change() -> None:
    more = [one for one in cause_ratios(*made()) if one.point.endswith("more workers")]
    assert {tuple(one.against) for one in more} == {("a+b 0.25 vCPU 512 MB", "a+b 0.25 vCPU 1024 MB")}


def test_only_traffic_common_to_all_points_is_compared() -> None:
    run, visits = made()
    by_name = {point.name: {traffic.name for traffic in point.traffic} for point in run.points}
    for one in cause_ratios(run, visits):
        assert one.traffic in set.intersection(*(by_name[name] for name in (one.point, *one.against)))


def test_a_round_missing_from_a_reference_does_not_count() -> None:
    run, visits = made()
    lacking = [one for one in visits if not (one.cell == "a+b 0.25 vCPU 512 MB" and one.round == 2)]
    found = {(one.point, one.traffic): one for one in cause_ratios(run, lacking)}
    ratio = found["a+b 0.25 vCPU 1 worker, short period", ONE].mean_ratio
    assert ratio is not None
    assert ratio.n == 4


def test_a_percentile_of_too_few_answers_is_not_compared() -> None:
    assert {one.p99_ratio for one in cause_ratios(*made(requests=100))} == {None}


def test_the_summary_holds_rows_and_ratios() -> None:
    summary = summarise(*made())
    assert summary.rows
    assert summary.ratios == cause_ratios(*made())
    assert summary.advice == []


def test_each_ratio_names_its_reference() -> None:
    run, visits = made()
    sentences = list(cause_sentences(run, cause_ratios(run, visits)))
    (proxied,) = [
        line for line in sentences if line.startswith("a+b, 1 vCPU, 1 worker, through docker-proxy, 20 a second")
    ]
    assert proxied.startswith("a+b, 1 vCPU, 1 worker, through docker-proxy, 20 a second: mean x 6.00 (6.00 to 6.00)")
    assert proxied.endswith("relative to a+b, 1 vCPU, 2048 MB, 1 worker")


def test_an_unknown_p99_ratio_is_left_out() -> None:
    run, visits = made(requests=100)
    assert not [line for line in cause_sentences(run, cause_ratios(run, visits)) if "p99" in line]
