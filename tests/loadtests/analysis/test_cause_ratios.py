"""What a change did is told by ratios within rounds, to the plain points of the same size."""

import math

import pytest
from msgspec.structs import replace

from common.records.latency import LatencyRun, Visit
from loadtests.latency.cause_ratios import cause_ratios, sentences
from loadtests.latency.cause_run import causes
from loadtests.latency.points import ONE
from tests.support.traffic_records import a_run, a_visit, answers

FEW = "20 a second"


def _made(requests: int = 500) -> tuple[LatencyRun, list[Visit]]:
    """Rounds that grow slower, in which everything changed takes three times as long as the mean of plain ones."""
    points = [replace(one, stack="a+b") for one in causes("a+b", cores=(0, 1), proxy_lacking=None)]
    times_s = {512 * 2**20: 0.001, 1024 * 2**20: 0.004, 2048 * 2**20: 0.001}
    visits = [
        a_visit(
            one,
            number,
            {
                traffic.name: answers(times_s.get(one.memory_bytes or 0, 0.006) * number, requests)
                for traffic in one.traffic
            },
        )
        for number in range(1, 6)
        for one in points
    ]
    return a_run(points, "causes"), visits


def test_a_changed_point_is_set_against_the_plain_ones_of_its_size() -> None:
    record, visits = _made()
    found = {(one.point, one.traffic): one for one in cause_ratios(record, visits)}
    short = found["a+b 0.25 vCPU 1 worker, short period", ONE]
    assert short.against == ["a+b 0.25 vCPU 512 MB", "a+b 0.25 vCPU 1024 MB"]
    assert short.mean_ratio is not None
    assert (short.mean_ratio.n, short.p99_ratio is not None) == (5, True)
    assert short.mean_ratio.estimate == pytest.approx(0.006 / math.sqrt(0.001 * 0.004))
    assert short.mean_ratio.low == pytest.approx(short.mean_ratio.estimate)


def test_sizes_are_set_against_the_largest_and_memory_against_the_first_of_its_size() -> None:
    record, visits = _made()
    pairs = {(one.point, *one.against) for one in cause_ratios(record, visits)}
    assert ("a+b 0.25 vCPU 512 MB", "a+b 1 vCPU 2048 MB") in pairs
    assert ("a+b 0.25 vCPU 1024 MB", "a+b 0.25 vCPU 512 MB") in pairs
    assert not [pair for pair in pairs if pair[0] in pair[1:]]


def test_a_tail_of_few_answers_is_not_compared() -> None:
    record, visits = _made(requests=100)
    assert {one.p99_ratio for one in cause_ratios(record, visits)} == {None}


def test_each_ratio_is_told_with_what_it_is_against() -> None:
    record, visits = _made()
    told = list(sentences(record, cause_ratios(record, visits)))
    assert any(
        line.startswith(f"a+b, 1 vCPU, 1 worker, through docker-proxy, {FEW}: mean x 6.00 (6.00 to 6.00)")
        for line in told
    )
