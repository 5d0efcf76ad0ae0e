"""Percentiles are each server's first; few answers are pooled or not shown; what is missing says why."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from common.records.latency import LatencyRun, LatencySummary
from common.records.summary import Verdict
from loadtests.latency import report as latency_report
from loadtests.latency.points import SATURATED
from loadtests.latency.summary import percentile, summarise
from tests.support.records import load
from tests.support.traffic_records import a_point, a_run, a_visit, answers

PACED = "100 a second"


def _made() -> tuple[LatencyRun, LatencySummary]:
    here, above = a_point(0.5), a_point(2.0)
    loads = {SATURATED: load(20_000, 2.0, throttled_s=1.0, throttled_periods=10), PACED: answers(0.001, 1100)}
    record = a_run([here, above])
    return record, summarise(record, [a_visit(here, number, loads, 2**20) for number in range(1, 6)])


@pytest.mark.parametrize(
    ("requests", "servers", "shown"), [(1000, 3, "bounds"), (999, 3, "pooled"), (400, 3, "pooled"), (300, 3, "nothing")]
)
def test_a_percentile_of_few_answers_is_pooled_and_of_fewer_is_not_shown(
    requests: int, servers: int, shown: str
) -> None:
    found = percentile([answers(0.001, requests)] * servers, "p99", 0.99, 1000)
    assert (found is None) == (shown == "nothing")
    if found is not None:
        assert (found.low is not None) == (shown == "bounds")
        assert found.estimate == pytest.approx(0.01, rel=0.01)
        assert found.n == servers


def test_an_interval_is_over_servers_not_over_answers() -> None:
    found = percentile([answers(p50_s, 5000) for p50_s in (0.001, 0.002, 0.004)], "p50", 0.5, 1000)
    assert found is not None
    assert found.estimate == pytest.approx(0.002)
    assert found.low is not None
    assert found.low < 0.001


def test_a_missing_size_has_a_modelled_capacity_and_no_latency() -> None:
    record, summary = _made()
    measured, missing = summary.points
    assert measured.modelled_rps is None
    assert missing.modelled_rps is not None
    assert missing.modelled_rps.estimate == pytest.approx(2 * 10_000)
    assert {row.point for row in summary.rows} == {measured.point}
    notes = " ".join(latency_report.notes(record, summary))
    assert "missing: a+b 2 vCPU" in notes
    assert "by model is 20,000" in notes


def test_a_row_keeps_the_whole_distribution_and_its_throttling() -> None:
    _, summary = _made()
    saturated, paced = summary.rows
    assert sum(count for _, count in paced.histogram) == paced.requests == 5500
    assert saturated.throttled_share == 0.5
    assert saturated.throttled_periods == 50
    assert (saturated.verdict, paced.verdict) == (Verdict.THROTTLED, Verdict.VALID)


def test_a_server_that_died_makes_its_rows_doubtful() -> None:
    record, _ = _made()
    here = record.points[0]
    visits = [replace(a_visit(here, 1, {SATURATED: load()}), error="killed for memory")]
    saturated, paced = summarise(record, visits).rows
    assert saturated.verdict is paced.verdict is Verdict.SERVER_DIED
    assert paced.p50_s is None


def test_a_generator_that_was_starved_is_told() -> None:
    record, _ = _made()
    here = record.points[0]
    visits = [a_visit(here, number, {SATURATED: load(generator_cpu_s=1.9)}) for number in range(1, 6)]
    saturated, _ = summarise(record, visits).rows
    assert saturated.verdict is Verdict.GENERATOR_BOUND


def test_the_table_shows_every_traffic_with_its_percentiles_and_its_verdict() -> None:
    record, summary = _made()
    console = Console(width=150, file=io.StringIO(), record=True)
    console.print(latency_report.tables(record, summary))
    text = console.export_text()
    assert "a+b, 0.5 vCPU, 1 worker" in text
    (paced,) = [line for line in text.splitlines() if line.startswith(f" {PACED}")]
    assert "1.00 to 1.00" in paced
    assert "valid" in paced
    assert max(map(len, text.splitlines())) <= 150


def test_an_interval_that_says_nothing_is_not_spelled_out() -> None:
    here = a_point(0.5)
    record = a_run([here])
    visits = [a_visit(here, number, {PACED: answers(p50_s, 1100)}) for number, p50_s in ((1, 0.001), (2, 0.003))]
    _, paced = summarise(record, visits).rows
    assert "too wide" in latency_report.row_of(paced)
