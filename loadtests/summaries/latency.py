"""The summary of response times: percentiles of each server first, then intervals over servers. Pure."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from common.records.experiments.latency import (
    LatencyRun,
    LatencySummary,
    Point,
    PointRow,
    Traffic,
    TrafficRow,
    TrafficVisit,
)
from common.records.figure import Conditions, Figure, Metric
from common.records.summary import Interval, Verdict
from common.records.window import Load, Window
from loadtests.analysis import shares
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.analysis.verdicts import verdicts
from loadtests.statistics.intervals import log_interval, scaled
from loadtests.summaries.figures import figure
from loadtests.users import histogram

CONNECTIONS = 16
"""The number that ``make loadtest`` uses."""
SATURATED = f"{CONNECTIONS} at a time"
"""The closed-loop traffic from which capacity is read."""
FEWEST_P99 = 1000
FEWEST_P999 = 10_000
"""The fewest answers from which the percentile is read; with fewer, it depends on a handful of them."""


def summarise(run: LatencyRun, visits: Sequence[TrafficVisit]) -> LatencySummary:
    """Return a row for each traffic of each measured point, in the order of the run, and a row for each point."""
    rows = [
        _row(run, point, traffic, [visit for visit in visits if visit.cell == point.name])
        for point in run.points
        if point.missing is None
        for traffic in point.traffic
    ]
    points = [_point_row(run, point, rows, visits) for point in run.points]
    return LatencySummary(run=run.id, rows=rows, points=points)


def loads_of(visits: Sequence[TrafficVisit], traffic: str) -> list[Load]:
    """Return the windows of one traffic."""
    return [visit.loads[traffic] for visit in visits if traffic in visit.loads]


def loads_by_round(visits: Sequence[TrafficVisit], point: str, traffic: str) -> dict[int, Load]:
    """Return the windows of one traffic at one point, by round."""
    return {visit.round: visit.loads[traffic] for visit in visits if visit.cell == point and traffic in visit.loads}


def percentile(loads: Sequence[Load], name: str, fraction: float, fewest: int) -> Interval | None:
    """Return a percentile over servers; ``None`` if all servers together have too few answers.

    If a single server has too few, all answers are pooled and the interval has no bounds. ``name`` is the percentile's
    field in ``Latency``; ``n`` counts servers.
    """
    if loads and all(load.requests >= fewest for load in loads):
        return log_interval([getattr(load.latency_s, name) for load in loads])
    if sum(load.requests for load in loads) < fewest:
        return None
    pooled_s = histogram.percentile_s(histogram.merge(histogram.dense(load.histogram) for load in loads), fraction)
    assert pooled_s is not None
    return Interval(estimate=pooled_s, low=None, high=None, n=len(loads))


def figures(run: LatencyRun, summary: LatencySummary) -> Iterator[Figure]:
    """Yield each stack's 99th percentile at each share of its own capacity, without neighbours or proxy."""
    cells = {cell.name: cell for cell in run.cells}
    points = {point.name: point for point in run.points if not (point.neighbours or point.proxied)}
    for row in summary.rows:
        point = points.get(row.point)
        traffic = next((known for known in point.traffic if known.name == row.traffic), None) if point else None
        if point is None or traffic is None or traffic.rate is None or row.p99_s is None:
            continue
        checked = cells[point.stack].conformance is not None  # nginx is not checked
        if checked and (share := traffic.rate.share) is not None and point.size.period_s is None:
            conditions = Conditions(scenario="rate", vcpu=point.size.vcpu, workers=point.size.workers, load_share=share)
            yield figure(run, cells[point.stack], Metric.P99_S, row.p99_s, row.verdict, conditions=conditions)


def _row(run: LatencyRun, point: Point, traffic: Traffic, visits: Sequence[TrafficVisit]) -> TrafficRow:
    loads = [load for load in loads_of(visits, traffic.name) if load.latency_s is not None]
    latencies = [load.latency_s for load in loads if load.latency_s is not None]
    periods = [load.throttled_periods for load in loads if load.throttled_periods is not None]
    costs = [cost for load in loads if (cost := requests_per_cpu_s(load)) is not None]
    reasons = dict(_verdicts(run, point, traffic, visits))
    return TrafficRow(
        point=point.name,
        traffic=traffic.name,
        servers=len(loads),
        windows_discarded=sum(len(load.discarded) for load in loads),
        requests=sum(load.requests for load in loads),
        throughput_rps=log_interval([load.requests / load.duration_s for load in loads]),
        requests_per_cpu_s=log_interval(costs),
        mean_s=log_interval([latency.mean for latency in latencies]),
        p50_s=log_interval([latency.p50 for latency in latencies]),
        p99_s=percentile(loads, "p99", 0.99, FEWEST_P99),
        p999_s=percentile(loads, "p999", 0.999, FEWEST_P999),
        throttled_share=shares.throttled(loads),
        throttled_periods=sum(periods) if periods else None,
        server_utilisation=shares.server(loads, point.size.vcpu),
        histogram=histogram.sparse(histogram.merge(histogram.dense(load.histogram) for load in loads)),
        verdict=next(iter(reasons), Verdict.VALID),
        doubts={str(verdict): sentence for verdict, sentence in reasons.items()},
    )


def _verdicts(
    run: LatencyRun, point: Point, traffic: Traffic, visits: Sequence[TrafficVisit]
) -> Iterator[tuple[Verdict, str]]:
    cell = {cell.name: cell for cell in run.cells}[point.stack]
    setup = replace(
        run.setup,
        size=point.size,
        server_cores=point.server_cores,
        generator_cores=point.generator_cores,
        load=replace(run.setup.load, users=traffic.connections),
    )
    windows = [
        Window(
            run=visit.run,
            round=visit.round,
            position=visit.position,
            cell=cell.name,
            started_at=visit.started_at,
            load=visit.loads.get(traffic.name),
            error=visit.error,
        )
        for visit in visits
    ]
    for verdict, sentence in verdicts(cell, windows, setup, run.runtime).items():
        # Neighbours and proxies are meant to use the server's cores.
        if not (verdict is Verdict.DISTURBED and (point.neighbours or point.proxied)):
            yield verdict, sentence


def _point_row(run: LatencyRun, point: Point, rows: Sequence[TrafficRow], visits: Sequence[TrafficVisit]) -> PointRow:
    memory = [visit.memory_bytes for visit in visits if visit.cell == point.name and visit.memory_bytes]
    return PointRow(
        point=point.name,
        memory_bytes=log_interval(memory),
        modelled_rps=_modelled(run, point, rows) if point.missing is not None else None,
    )


def _modelled(run: LatencyRun, missing: Point, rows: Sequence[TrafficRow]) -> Interval | None:
    """Return the vCPUs times the requests per CPU-second at the largest measured size of the same stack."""
    measured = sorted((point.size.vcpu, point.name) for point in run.points if _same_but_measured(point, missing))
    for _, name in reversed(measured):
        saturated = next((row for row in rows if row.point == name and row.traffic == SATURATED), None)
        if saturated is not None and (per_vcpu := saturated.requests_per_cpu_s) is not None:
            return scaled(per_vcpu, missing.size.vcpu)
    return None


def _same_but_measured(point: Point, missing: Point) -> bool:
    return point.stack == missing.stack and point.missing is None
