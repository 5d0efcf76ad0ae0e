"""From visits to a summary: percentiles of each server first, then intervals over servers. Pure."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from common.records.figure import Conditions, Figure, Metric
from common.records.latency import LatencyRun, LatencySummary, Point, PointRow, Traffic, TrafficRow, TrafficVisit
from common.records.summary import Interval, Verdict
from common.records.window import Load, Window
from loadtests.analysis import shares
from loadtests.analysis.intervals import log_interval, scaled
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.analysis.verdicts import verdicts
from loadtests.summaries.figures import figure
from loadtests.users import histogram

CONNECTIONS = 16
"""As many as ``make loadtest`` uses."""
SATURATED = f"{CONNECTIONS} at a time"
"""The traffic that a capacity is read from: a closed loop."""
FEWEST_P99 = 1000
FEWEST_P999 = 10_000
"""Below so many answers a percentile is that of a handful of them."""


def summarise(run: LatencyRun, visits: Sequence[TrafficVisit]) -> LatencySummary:
    """Every traffic of every point that was measured, in the order of the run, and what holds for whole points."""
    rows = [
        _row(run, point, traffic, [visit for visit in visits if visit.cell == point.name])
        for point in run.points
        if point.missing is None
        for traffic in point.traffic
    ]
    points = [_point_row(run, point, rows, visits) for point in run.points]
    return LatencySummary(run=run.id, rows=rows, points=points)


def loads_of(visits: Sequence[TrafficVisit], traffic: str) -> list[Load]:
    """The windows of one traffic."""
    return [one.loads[traffic] for one in visits if traffic in one.loads]


def percentile(loads: Sequence[Load], name: str, fraction: float, fewest: int) -> Interval | None:
    """A percentile over servers; pooled and without bounds where one has too few answers, ``None`` for too few in all.

    ``name`` is the percentile's in ``Latency``. ``n`` counts servers.
    """
    if loads and all(load.requests >= fewest for load in loads):
        return log_interval([getattr(load.latency_s, name) for load in loads])
    if sum(load.requests for load in loads) < fewest:
        return None
    pooled_s = histogram.percentile_s(histogram.merge(histogram.dense(load.histogram) for load in loads), fraction)
    assert pooled_s is not None
    return Interval(estimate=pooled_s, low=None, high=None, n=len(loads))


def figures(run: LatencyRun, summary: LatencySummary) -> Iterator[Figure]:
    """Yield the 99th percentile of every stack at each share of its own capacity, in plain surroundings."""
    cells = {cell.name: cell for cell in run.cells}
    points = {point.name: point for point in run.points if not (point.neighbours or point.proxied)}
    for row in summary.rows:
        point = points.get(row.point)
        traffic = next((one for one in point.traffic if one.name == row.traffic), None) if point else None
        if point is None or traffic is None or traffic.rate is None or row.p99_s is None:
            continue
        held = cells[point.stack].conformance is not None  # which nginx is not
        if held and (share := traffic.rate.share) is not None and point.size.period_s is None:
            conditions = Conditions(scenario="rate", vcpu=point.size.vcpu, workers=point.size.workers, load_share=share)
            yield figure(run, cells[point.stack], Metric.P99_S, row.p99_s, row.verdict, conditions=conditions)


def _row(run: LatencyRun, point: Point, traffic: Traffic, visits: Sequence[TrafficVisit]) -> TrafficRow:
    loads = [load for load in loads_of(visits, traffic.name) if load.latency_s is not None]
    latencies = [load.latency_s for load in loads if load.latency_s is not None]
    periods = [load.throttled_periods for load in loads if load.throttled_periods is not None]
    costs = [cost for load in loads if (cost := requests_per_cpu_s(load)) is not None]
    seen = dict(_verdicts(run, point, traffic, visits))
    return TrafficRow(
        point=point.name,
        traffic=traffic.name,
        servers=len(loads),
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
        verdict=next(iter(seen), Verdict.VALID),
        doubts={str(verdict): sentence for verdict, sentence in seen.items()},
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
            run=one.run,
            round=one.round,
            position=one.position,
            cell=cell.name,
            started_at=one.started_at,
            load=one.loads.get(traffic.name),
            error=one.error,
        )
        for one in visits
    ]
    for verdict, sentence in verdicts(cell, windows, setup, run.runtime).items():
        if not (verdict is Verdict.DISTURBED and (point.neighbours or point.proxied)):  # as it was meant to be
            yield verdict, sentence


def _point_row(run: LatencyRun, point: Point, rows: Sequence[TrafficRow], visits: Sequence[TrafficVisit]) -> PointRow:
    held = [one.memory_bytes for one in visits if one.cell == point.name and one.memory_bytes]
    return PointRow(
        point=point.name,
        memory_bytes=log_interval(held),
        modelled_rps=_modelled(run, point, rows) if point.missing is not None else None,
    )


def _modelled(run: LatencyRun, missing: Point, rows: Sequence[TrafficRow]) -> Interval | None:
    """The size x requests per CPU-second at the largest size of the same stack that was measured."""
    measured = sorted((point.size.vcpu, point.name) for point in run.points if _same_but_measured(point, missing))
    for _, name in reversed(measured):
        found = next((row for row in rows if row.point == name and row.traffic == SATURATED), None)
        if found is not None and (per_vcpu := found.requests_per_cpu_s) is not None:
            return scaled(per_vcpu, missing.size.vcpu)
    return None


def _same_but_measured(point: Point, missing: Point) -> bool:
    return point.stack == missing.stack and point.missing is None
