"""The report of response times at a run's points. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group
from rich.table import Table

from common.catalog.numbers import counted
from common.catalog.runtimes import Runtime
from common.records.experiments.latency import (
    CauseRatio,
    LatencyRun,
    LatencySummary,
    Point,
    PointRow,
    TrafficRow,
    WorkerAdvice,
    WorkerChoice,
)
from common.records.summary import Interval
from loadtests.reports.formatting import (
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
    yield from _verdicts(summary)


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


def _verdicts(summary: LatencySummary) -> Iterator[str]:
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


def worker_sentences(advice: Sequence[WorkerAdvice]) -> Iterator[str]:
    """Yield each recommendation with its evidence."""
    for row in advice:
        others = "; ".join(_worker_choice(other) for other in row.others)
        warning = "" if row.firm else " Not firm: some of these numbers are doubtful."
        advice_text = f"{row.stack} at {row.vcpu:g} vCPU: use {counted(row.workers, 'worker')}"
        yield f"{advice_text}. Others, relative to that: {others}.{warning}"


def _worker_choice(choice: WorkerChoice) -> str:
    parts = [
        f"{counted(choice.workers, 'worker')}: capacity x {with_bounds(choice.throughput_ratio, digits=2)}",
        f"p99 x {with_bounds(choice.p99_ratio, digits=2)}",
        "" if choice.memory_difference_bytes is None else f"{choice.memory_difference_bytes / MB:+.1f} MB",
    ]
    return ", ".join(filter(None, parts))


def cause_sentences(run: LatencyRun, ratios: Sequence[CauseRatio]) -> Iterator[str]:
    """Yield a sentence for each ratio."""
    points = {point.name: point for point in run.points}
    for ratio in ratios:
        against = " and ".join(label(points[name]) for name in ratio.against)
        tail = "" if ratio.p99_ratio is None else f", p99 x {with_bounds(ratio.p99_ratio, digits=2)}"
        yield (
            f"{label(points[ratio.point])}, {ratio.traffic}: mean x {with_bounds(ratio.mean_ratio, digits=2)}{tail}, "
            f"relative to {against}"
        )
