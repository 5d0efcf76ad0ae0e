"""From a run of visits and its summary to text. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from common.records.latency import LatencyRun, LatencySummary, Point, PointRow, TrafficRow
from common.records.summary import Interval

MS_PER_S = 1000
WIDEST = 100
"""An interval whose ends differ by more than this factor says nothing; two rounds give such."""
TITLES = {
    "latency": "latency by vCPU",
    "workers": "workers against vCPU",
    "causes": "what moves a response time",
}
LEFT = frozenset({"load", "verdict"})
WIDTHS = {"load": 17, "req/s": 7, "n": 7, "mean ms": 8, "p50 ms": 8, "95 % of p50": 16, "p99 ms": 9, "95 % of p99": 16,
          "p99.9 ms": 9, "CPU": 4, "throttled": 9, "verdict": 15}  # fmt: skip


def tables(record: LatencyRun, summary: LatencySummary) -> Group:
    """A small table a point, all in the same columns, with a row for each traffic."""
    points = {point.name: point for point in record.points}
    by_point: dict[str, list[TrafficRow]] = {}
    for row in summary.rows:
        by_point.setdefault(row.point, []).append(row)
    return Group(escape(title(record)), *(_table(points[name], rows) for name, rows in by_point.items()))


def title(record: LatencyRun) -> str:
    """What was measured, in one line."""
    run = record.run
    return f"{TITLES[record.verb]}: {run.runtime} runtime, {run.rounds} rounds of fresh servers, seed {run.seed}"


def notes(record: LatencyRun, summary: LatencySummary) -> Iterator[str]:
    """What a reader has to know beside the table, one sentence each."""
    if any(cell.stand_in_base for cell in record.run.cells):
        yield "stand-in base: images stand on locally made base images, not on the official ones."
    yield "a second, of capacity: Poisson arrivals; response times count from the intended send."
    yield "at a time: a closed loop on so many connections."
    yield "n: right answers of all servers; percentiles are each server's first, intervals are over servers."
    yield "~: pooled over all servers, for each gave too few answers (1,000 for p99, 10,000 for p99.9)."
    yield from _of_the_runtime(record)
    yield from _missing(record, summary)
    yield from _doubts(summary)


def _of_the_runtime(record: LatencyRun) -> Iterator[str]:
    if record.run.runtime != "fargate":
        yield "throttled: share of the time in which the quota held the server back."
        return
    yield f"response times hold {record.run.load_path}."
    yield "CPU, throttled: missing, for neither can be read from outside a task."
    yield "of capacity: of what 16 connections reached by the clock, the way to the server included."


def interval(of: Interval | None, scale: float, digits: int) -> str:
    """An estimate with its bounds, where it has them."""
    if of is None:
        return "-"
    text = f"{of.estimate * scale:,.{digits}f}"
    if of.low is None or of.high is None:
        return text
    return f"{text} ({of.low * scale:,.{digits}f} to {of.high * scale:,.{digits}f})"


def label(point: Point) -> str:
    """The stack, its size, and what is unusual about where it runs."""
    parts = [
        point.stack,
        f"{point.vcpu:g} vCPU",
        f"{point.memory_bytes / 1024**2:.0f} MB" if point.memory_bytes else "",
        f"{point.workers} worker{'s' if point.workers > 1 else ''}",
        f"quota every {point.period_s * MS_PER_S:g} ms" if point.period_s else "",
        f"{point.neighbours} neighbour{'s' if point.neighbours > 1 else ''}" if point.neighbours else "",
        "through docker-proxy" if point.proxied else "",
    ]
    return ", ".join(filter(None, parts))


def row_of(row: TrafficRow) -> tuple[str, ...]:
    """A row's cells as text, in the order of ``WIDTHS``."""
    return (
        row.traffic,
        _plain(row.throughput_rps, 1, 0),
        f"{row.requests:,}",
        _plain(row.mean_s, MS_PER_S, 2),
        _plain(row.p50_s, MS_PER_S, 2),
        _bounds(row.p50_s),
        _percentile(row.p99_s),
        _bounds(row.p99_s),
        _percentile(row.p999_s),
        "-" if row.server_utilisation is None else f"{row.server_utilisation:.0%}",
        "-" if row.throttled_share is None else f"{row.throttled_share:.0%}",
        row.verdict,
    )


def _table(point: Point, rows: Sequence[TrafficRow]) -> Table:
    found = Table(
        title=escape(label(point)), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    for heading, width in WIDTHS.items():
        found.add_column(heading, justify="left" if heading in LEFT else "right", min_width=width, no_wrap=True)
    for row in rows:
        found.add_row(*map(escape, row_of(row)))
    return found


def _missing(record: LatencyRun, summary: LatencySummary) -> Iterator[str]:
    known: Mapping[str, PointRow] = {row.point: row for row in summary.points}
    for point in record.points:
        if point.missing is not None:
            modelled = known[point.name].modelled_rps
            capacity = f" Its capacity by model is {interval(modelled, 1, 0)} req/s; no latency is modelled."
            yield f"missing: {point.name}: {point.missing}.{capacity if modelled else ''}"


def _doubts(summary: LatencySummary) -> Iterator[str]:
    """Each verdict once, with how many rows it is about, and the first of them."""
    about: dict[str, list[tuple[str, str]]] = {}
    for row in summary.rows:
        for verdict, sentence in row.doubts.items():
            about.setdefault(verdict, []).append((f"{row.point}, {row.traffic}", sentence))
    for verdict, seen in about.items():
        (where, sentence), *_ = seen
        yield f"{verdict}: {len(seen)} of {len(summary.rows)} rows, first {where}: {sentence}"


def _percentile(of: Interval | None) -> str:
    return f"{'~' if of is not None and of.low is None and of.n > 1 else ''}{_plain(of, MS_PER_S, 2)}"


def _plain(of: Interval | None, scale: float, digits: int) -> str:
    return "-" if of is None else f"{of.estimate * scale:,.{digits}f}"


def _bounds(of: Interval | None) -> str:
    if of is None or of.low is None or of.high is None:
        return "-"
    if of.high > WIDEST * of.low:
        return "too wide"
    return f"{of.low * MS_PER_S:.2f} to {of.high * MS_PER_S:.2f}"
