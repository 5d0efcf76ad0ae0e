"""Percentiles are computed per server; few answers are pooled or left out; missing sizes are explained."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from common.catalog.sizes import Runtime, Size
from common.records.figure import Metric
from common.records.load import Rate
from common.records.run import Conformance
from common.records.summary import Verdict
from common.records.window import DiscardedWindow
from loadtests.experiments.latency import report
from loadtests.experiments.latency.experiment import closed, opened
from loadtests.experiments.latency.records import SATURATED, LatencyRun, LatencySummary, Point
from loadtests.experiments.latency.report import figures, percentile, summarise
from tests.support.records import cell, load, setup
from tests.support.traffic_records import PACED, a_causes_run, a_point, a_run, a_visit, a_workers_run, answers


def _made() -> tuple[LatencyRun, LatencySummary]:
    here, above = a_point(0.5), a_point(2.0)
    loads = {SATURATED: load(20_000, 2.0, throttled_s=1.0, throttled_periods=10), PACED: answers(0.001, 1100)}
    run = a_run([here, above])
    return run, summarise(run, [a_visit(here, number, loads, 2**20) for number in range(1, 6)])


def test_the_table_shows_every_traffic_with_its_percentiles_and_its_verdict() -> None:
    run, summary = _made()
    console = Console(width=150, file=io.StringIO(), record=True)
    console.print(report.tables(run, summary))
    text = console.export_text()
    assert "a+b, 0.5 vCPU, 1 worker" in text
    (paced,) = [line for line in text.splitlines() if line.lstrip().startswith(PACED)]
    assert "1.00 to 1.00" in paced
    assert "valid" in paced
    assert max(map(len, text.splitlines())) <= 150


def test_a_missing_size_is_named_with_its_reason_and_its_modelled_capacity() -> None:
    notes = " ".join(report.notes(*_made()))
    assert "missing: a+b 2 vCPU 1 worker: this machine has 2 cores, and one of them is the generator's." in notes
    assert "by model is 20,000" in notes
    assert "no latency is modelled" in notes


def test_a_missing_size_of_a_stack_without_any_number_has_only_its_reason() -> None:
    run, _ = _made()
    (found,) = [note for note in report.notes(run, summarise(run, [])) if note.startswith("missing: ")]
    assert found.endswith("2 vCPU 1 worker: this machine has 2 cores, and one of them is the generator's.")


def test_each_verdict_is_one_note_with_its_number_of_rows() -> None:
    (found,) = [note for note in report.notes(*_made()) if note.startswith("throttled: 1 of 2 rows")]
    assert "first a+b 0.5 vCPU 1 worker, 16 at a time: " in found


def test_windows_that_were_made_again_are_counted() -> None:
    here = a_point(0.5)
    discarded = DiscardedWindow(reason="late", duration_s=2.0, requests=1100, latency_s=None, send_lag_s=None)
    run, of = a_run([here]), answers(0.001, 1100)
    once, again = (replace(of, discarded=[discarded] * count) for count in (0, 2))
    summary = summarise(run, [a_visit(here, number, {PACED: load}) for number, load in ((1, once), (2, again))])
    (found,) = [note for note in report.notes(run, summary) if "made again" in note]
    assert found.startswith("discarded: 2 windows, made again ")
    undisturbed = summarise(run, [a_visit(here, 1, {PACED: once})])
    assert not any("made again" in note for note in report.notes(run, undisturbed))


def test_an_interval_that_is_too_wide_is_not_printed() -> None:
    here = a_point(0.5)
    run = a_run([here])
    visits = [a_visit(here, number, {PACED: answers(p50_s, 1100)}) for number, p50_s in ((1, 0.001), (2, 0.003))]
    _, paced = summarise(run, visits).rows
    assert "too wide" in report.columns(paced)


def test_a_pooled_percentile_is_marked() -> None:
    here = a_point(0.5)
    visits = [a_visit(here, number, {PACED: answers(0.001, 600)}) for number in (1, 2)]
    _, paced = summarise(a_run([here]), visits).rows
    assert dict(zip(report.WIDTHS, report.columns(paced), strict=True))["p99 ms"].startswith("~10.0")


@pytest.mark.parametrize(
    ("point", "label"),
    [
        (a_point(0.25), "a+b, 0.25 vCPU, 1 worker"),
        (a_point(0.25, 3), "a+b, 0.25 vCPU, 3 workers"),
        (
            replace(a_point(), size=Size(vcpu=0.25, memory_bytes=512 * 2**20, worker_count=1)),
            "a+b, 0.25 vCPU, 512 MB, 1 worker",
        ),
        (
            replace(a_point(), size=Size(vcpu=0.25, worker_count=1, period_s=0.01)),
            "a+b, 0.25 vCPU, 1 worker, quota every 10 ms",
        ),
        (replace(a_point(), neighbours=1), "a+b, 0.5 vCPU, 1 worker, 1 neighbour"),
        (replace(a_point(), neighbours=3, proxied=True), "a+b, 0.5 vCPU, 1 worker, 3 neighbours, through docker-proxy"),
    ],
)
def test_a_point_is_labelled_with_its_changes(point: Point, label: str) -> None:
    assert report.label(point) == label


def test_the_title_says_what_was_measured() -> None:
    points = [a_point()]
    for run, begins in (
        (a_run(points), "latency by vCPU: docker runtime, 5 rounds of fresh servers, seed 1"),
        (a_workers_run(points), "workers by vCPU: "),
        (a_causes_run(points), "response times in different surroundings: "),
    ):
        assert report.title(run).startswith(begins)


def test_on_fargate_the_figures_that_cannot_be_read_are_named() -> None:
    run, summary = _made()
    there = replace(run, runtime=Runtime.FARGATE, setup=setup(load_path="the network to AWS"))
    path, throttling = "response times include the network to AWS.", "throttled: share"
    for shown, is_there in ((there, True), (replace(there, runtime=Runtime.DOCKER), False)):
        notes = list(report.notes(shown, summary))
        assert (path in notes) is is_there
        assert any(note.startswith(throttling) for note in notes) is not is_there


def test_stand_in_bases_are_named_first() -> None:
    run, summary = _made()
    first, *_ = report.notes(replace(run, cells=[cell("a+b", stand_in_base=True)]), summary)
    assert first.startswith("stand-in base: ")


@pytest.mark.parametrize(
    ("requests", "servers", "shown"), [(1000, 3, "bounds"), (999, 3, "pooled"), (400, 3, "pooled"), (300, 3, "nothing")]
)
def test_a_percentile_of_few_answers_is_pooled_and_of_very_few_is_left_out(
    requests: int, servers: int, shown: str
) -> None:
    found = percentile([answers(0.001, requests)] * servers, "p99", 0.99, 1000)
    assert (found is None) == (shown == "nothing")
    if found is not None:
        assert (found.low is not None) == (shown == "bounds")
        assert found.estimate == pytest.approx(0.01, rel=0.01)
        assert found.n == servers


def test_an_interval_covers_servers_not_answers() -> None:
    found = percentile([answers(p50_s, 5000) for p50_s in (0.001, 0.002, 0.004)], "p50", 0.5, 1000)
    assert found is not None
    assert found.estimate == pytest.approx(0.002)
    assert found.low is not None
    assert found.low < 0.001


def test_a_missing_size_has_a_modelled_capacity_and_no_latency() -> None:
    _, summary = _made()
    measured, missing = summary.points
    assert measured.modelled_rps is None
    assert missing.modelled_rps is not None
    assert missing.modelled_rps.estimate == pytest.approx(2 * 10_000)
    assert {row.point for row in summary.rows} == {measured.point}


def test_a_missing_size_is_modelled_from_the_largest_measured_size() -> None:
    small, large, missing = a_point(0.25), a_point(1.0), a_point(2.0)
    costs_s = {small.name: 4.0, large.name: 2.0}
    visits = [a_visit(point, 1, {SATURATED: load(20_000, costs_s[point.name])}) for point in (large, small)]
    *_, modelled = summarise(a_run([large, small, missing]), visits).points
    assert modelled.modelled_rps is not None
    assert modelled.modelled_rps.estimate == pytest.approx(20_000)


def test_a_stack_of_one_process_is_modelled_on_one_vcpu_however_many_are_missing() -> None:
    small, missing = a_point(0.5, stack="flask+waitress"), a_point(2.0, stack="flask+waitress")
    visits = [a_visit(small, 1, {SATURATED: load(20_000, 2.0)})]
    run = a_run([small, missing], cells=[cell("flask+waitress", framework="flask", server="waitress")])
    *_, modelled = summarise(run, visits).points
    assert modelled.modelled_rps is not None
    assert modelled.modelled_rps.estimate == pytest.approx(10_000)


def test_a_row_keeps_the_whole_distribution_and_its_throttling() -> None:
    _, summary = _made()
    saturated, paced = summary.rows
    assert sum(count for _, count in paced.histogram) == paced.requests == 5500
    assert saturated.throttled_share == 0.5
    assert saturated.throttled_periods == 50
    assert (saturated.verdict, paced.verdict) == (Verdict.THROTTLED, Verdict.VALID)


def test_a_server_that_died_makes_its_rows_doubtful() -> None:
    run, _ = _made()
    visits = [replace(a_visit(run.points[0], 1, {SATURATED: load()}), error="killed for memory")]
    saturated, paced = summarise(run, visits).rows
    assert saturated.verdict is paced.verdict is Verdict.SERVER_DIED
    assert paced.p50_s is None


def test_a_generator_at_its_limit_makes_its_rows_doubtful() -> None:
    run, _ = _made()
    visits = [a_visit(run.points[0], number, {SATURATED: load(generator_cpu_s=1.9)}) for number in range(1, 6)]
    saturated, _ = summarise(run, visits).rows
    assert saturated.verdict is Verdict.GENERATOR_BOUND


@pytest.mark.parametrize(("neighbours", "verdict"), [(0, Verdict.DISTURBED), (3, Verdict.VALID)])
def test_planned_neighbours_are_not_a_disturbance(neighbours: int, verdict: Verdict) -> None:
    point = replace(a_point(1.0), neighbours=neighbours)
    busy = load(20_000, 0.5, server_cores_busy_s=2.0, server_steal_s=0.0)
    visits = [a_visit(point, number, {SATURATED: busy, PACED: answers(0.001, 1100)}) for number in range(1, 6)]
    saturated, _ = summarise(a_run([point]), visits).rows
    assert saturated.verdict is verdict


def test_figures_are_a_99th_percentile_and_a_rate_at_a_share_of_the_capacity_without_neighbours() -> None:
    """A rate common to all stacks loads each of them differently, and neighbours are not part of a stack."""
    half = opened(Rate(share=0.5))
    plain = replace(a_point(0.5), traffic=[closed(16), opened(Rate(rps=100)), half])
    changed = [
        replace(plain, name="beside others", neighbours=3),
        replace(plain, name="through a proxy", proxied=True),
        replace(plain, name="short period", size=Size(vcpu=0.5, worker_count=1, period_s=0.01)),
    ]
    points = [plain, *changed]
    visits = [
        a_visit(point, number, {one.name: answers(0.001 if point is plain else 0.002, 1100) for one in point.traffic})
        for number in range(1, 6)
        for point in points
    ]
    conforming = Conformance(passed=1, duration_s=1.0)
    run = a_run(points, cells=[cell("a+b", conformance=conforming)])
    figure, rate = figures(run, summarise(run, visits))
    assert (figure.metric, figure.subject.name, figure.value.n) == (Metric.P99_S, "a+b", 5)
    assert figure.value.estimate == pytest.approx(0.01)
    assert (rate.metric, rate.conditions) == (Metric.REQUESTS_PER_CPU_S, figure.conditions)
    assert rate.value.estimate == pytest.approx(1100 / 2)
    assert (figure.conditions.vcpu, figure.conditions.workers, figure.conditions.load_share) == (0.5, 1, 0.5)
