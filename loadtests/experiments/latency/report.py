"""Response times at a run's points: the summary, its figures, tables and notes. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace
from rich.console import Group
from rich.table import Table

from common.catalog.sizes import Runtime
from common.catalog.stacks import can_run_several
from common.records.figure import Conditions, Figure, Metric, figure
from common.records.summary import Interval, Verdict
from common.records.window import Load, Window
from common.words import counted
from loadtests.analysis.formatting import (
    MB,
    MS_PER_S,
    bounds,
    discarded_notes,
    estimate,
    plain_table,
    share,
    stand_in_notes,
    with_bounds,
)
from loadtests.analysis.values import requests_per_cpu_s, server_share, throttled_share
from loadtests.analysis.verdicts import verdicts
from loadtests.experiments.latency.records import (
    SATURATED,
    LatencyRun,
    LatencySummary,
    Point,
    PointRow,
    Traffic,
    TrafficRow,
    TrafficVisit,
)
from loadtests.statistics.intervals import log_interval, scaled
from loadtests.users import histogram

WIDEST = 100
"""An interval whose ends differ by more than this factor, as with two rounds, is not printed."""
TITLES = {
    "latency": "latency by vCPU",
    "workers": "workers by vCPU",
    "causes": "response times in different surroundings",
}
LEFT = frozenset({"load", "verdict"})
WIDTHS = {"load": 17, "req/s": 7, "n": 7, "mean ms": 8, "p50 ms": 8, "95 % of p50": 16, "p99 ms": 9, "95 % of p99": 16,
          "p99.9 ms": 9, "CPU": 4, "throttled": 9, "verdict": 15}  # fmt: skip

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
    """Yield each stack's 99th percentile and rate at each share of its own capacity, without neighbours or proxy."""
    cells = {cell.name: cell for cell in run.cells}
    points = {point.name: point for point in run.points if not (point.neighbours or point.proxied)}
    for row in summary.rows:
        point = points.get(row.point)
        traffic = next((known for known in point.traffic if known.name == row.traffic), None) if point else None
        if point is None or traffic is None or traffic.rate is None:
            continue
        checked = cells[point.stack].conformance is not None  # nginx is not checked
        if checked and (share := traffic.rate.share) is not None and point.size.period_s is None:
            conditions = Conditions(scenario="rate", vcpu=point.size.vcpu, workers=point.size.workers, load_share=share)
            for metric, value in ((Metric.P99_S, row.p99_s), (Metric.REQUESTS_PER_CPU_S, row.requests_per_cpu_s)):
                if value is not None:
                    yield figure(run, cells[point.stack], metric, value, row.verdict, conditions=conditions)


def _row(run: LatencyRun, point: Point, traffic: Traffic, visits: Sequence[TrafficVisit]) -> TrafficRow:
    made = [visit.loads[traffic.name] for visit in visits if traffic.name in visit.loads]
    loads = [load for load in made if load.latency_s is not None]
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
        throttled_share=throttled_share(loads),
        throttled_periods=sum(periods) if periods else None,
        server_utilisation=server_share(loads, point.size.vcpu),
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
            load=_warmed_load(visit, traffic),
            error=visit.error,
        )
        for visit in visits
    ]
    for verdict, sentence in verdicts(cell, windows, setup, run.runtime).items():
        # Neighbours and proxies are meant to use the server's cores.
        if not (verdict is Verdict.DISTURBED and (point.neighbours or point.proxied)):
            yield verdict, sentence


def _warmed_load(visit: TrafficVisit, traffic: Traffic) -> Load | None:
    """Return the window of a traffic, with the warm-up of its server."""
    load, first = visit.loads.get(traffic.name), visit.loads.get(SATURATED)
    return load if load is None or first is None else replace(load, warmup=first.warmup)


def _point_row(run: LatencyRun, point: Point, rows: Sequence[TrafficRow], visits: Sequence[TrafficVisit]) -> PointRow:
    memory = [visit.memory_bytes for visit in visits if visit.cell == point.name and visit.memory_bytes]
    return PointRow(
        point=point.name,
        memory_bytes=log_interval(memory),
        modelled_rps=_modelled(run, point, rows) if point.missing is not None else None,
    )


def _modelled(run: LatencyRun, missing: Point, rows: Sequence[TrafficRow]) -> Interval | None:
    """Return the vCPUs that the stack can use times its requests per CPU-second at the largest size measured."""
    several = next(can_run_several(cell.framework, cell.server) for cell in run.cells if cell.name == missing.stack)
    vcpu = missing.size.vcpu if several else min(missing.size.vcpu, 1)
    sizes = sorted((point.size.vcpu, point.name) for point in run.points if point.stack == missing.stack)
    for _, name in reversed(sizes):
        saturated = next((row for row in rows if row.point == name and row.traffic == SATURATED), None)
        if saturated is not None and (per_vcpu := saturated.requests_per_cpu_s) is not None:
            return scaled(per_vcpu, vcpu)
    return None


def tables(run: LatencyRun, summary: LatencySummary) -> Group:
    """Return a small table for each point, all in the same columns, with a row for each traffic."""
    points = {point.name: point for point in run.points}
    by_point: dict[str, list[TrafficRow]] = {}
    for row in summary.rows:
        by_point.setdefault(row.point, []).append(row)
    return Group(title(run), *(_table(points[name], rows) for name, rows in by_point.items()))


def title(run: LatencyRun) -> str:
    """Return what was measured, in one line."""
    experiment = str(run.__struct_config__.tag)
    return (
        f"{TITLES[experiment]}: {run.runtime} runtime, {counted(run.rounds, 'round')} of fresh servers, seed {run.seed}"
    )


def notes(run: LatencyRun, summary: LatencySummary) -> Iterator[str]:
    """Yield what a reader must know besides the tables, one sentence each."""
    yield from stand_in_notes(run.cells)
    yield "a second, of capacity: Poisson arrivals; response times count from the intended send."
    yield "at a time: a closed loop on that many connections."
    yield "n: correct responses of all servers; percentiles are each server's first, intervals are over servers."
    yield "~: pooled over all servers, since each gave too few responses (1,000 for p99, 10,000 for p99.9)."
    yield from _runtime_notes(run)
    yield from discarded_notes(sum(row.windows_discarded for row in summary.rows))
    yield from _missing(run, summary)
    yield from _verdict_notes(summary)


def label(point: Point) -> str:
    """Return the stack, its size, and what was changed about its conditions."""
    size = point.size
    parts = [
        point.stack,
        f"{size.vcpu:g} vCPU",
        f"{size.memory_bytes / MB:.0f} MB" if size.memory_bytes else "",
        counted(size.workers, "worker"),
        f"quota every {size.period_s * MS_PER_S:g} ms" if size.period_s else "",
        counted(point.neighbours, "neighbour") if point.neighbours else "",
        "through docker-proxy" if point.proxied else "",
    ]
    return ", ".join(filter(None, parts))


def columns(row: TrafficRow) -> tuple[str, ...]:
    """Return a row's text, in the order of ``WIDTHS``."""
    return (
        row.traffic,
        estimate(row.throughput_rps),
        f"{row.requests:,}",
        estimate(row.mean_s, scale=MS_PER_S, digits=2),
        estimate(row.p50_s, scale=MS_PER_S, digits=2),
        _bounds_ms(row.p50_s),
        _percentile(row.p99_s),
        _bounds_ms(row.p99_s),
        _percentile(row.p999_s),
        share(row.server_utilisation),
        share(row.throttled_share),
        row.verdict,
    )


def _table(point: Point, rows: Sequence[TrafficRow]) -> Table:
    table = plain_table(label(point), tuple(WIDTHS), map(columns, rows), left=LEFT)
    for column, width in zip(table.columns, WIDTHS.values(), strict=True):
        column.min_width, column.no_wrap = width, True
    return table


def _runtime_notes(run: LatencyRun) -> Iterator[str]:
    if run.runtime is not Runtime.FARGATE:
        yield "throttled: share of the time in which the quota held the server back."
        return
    yield f"response times include {run.setup.load_path}."
    yield "CPU, throttled: missing, since neither can be read from outside a task."
    yield "of capacity: of what 16 connections reached by wall time, the network to the server included."


def _missing(run: LatencyRun, summary: LatencySummary) -> Iterator[str]:
    known: Mapping[str, PointRow] = {row.point: row for row in summary.points}
    for point in run.points:
        if point.missing is not None:
            modelled = known[point.name].modelled_rps
            capacity = f" Its capacity by model is {with_bounds(modelled)} req/s; no latency is modelled."
            yield f"missing: {point.name}: {point.missing}.{capacity if modelled else ''}"


def _verdict_notes(summary: LatencySummary) -> Iterator[str]:
    """Yield each verdict once, with the number of rows it applies to and the first of them."""
    about: dict[str, list[tuple[str, str]]] = {}
    for row in summary.rows:
        for verdict, sentence in row.doubts.items():
            about.setdefault(verdict, []).append((f"{row.point}, {row.traffic}", sentence))
    for verdict, rows in about.items():
        (first, sentence), *_ = rows
        yield f"{verdict}: {len(rows)} of {len(summary.rows)} rows, first {first}: {sentence}"


def _percentile(of: Interval | None) -> str:
    pooled = of is not None and of.low is None and of.n > 1
    return f"{'~' if pooled else ''}{estimate(of, scale=MS_PER_S, digits=2)}"


def _bounds_ms(of: Interval | None) -> str:
    if of is not None and of.low is not None and of.high is not None and of.high > WIDEST * of.low:
        return "too wide"
    return bounds(of, scale=MS_PER_S, digits=2)
