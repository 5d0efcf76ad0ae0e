"""The page's plots: what each shows, its picture, and the same numbers as a table. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from common.records.latency import LatencyRun, LatencySummary, TrafficRow, WorkersRun
from common.records.run import LoadRun
from common.records.startup import StartRow, StartupRun, StartupSummary
from common.records.summary import Interval
from common.records.window import Window
from loadtests.page.charts import Axis, Bar, Dot, Series, bars, curves, dots, scatter
from loadtests.page.columns import BY_KEY
from loadtests.page.model import Page, StackRow
from loadtests.page.sources import Source
from loadtests.reports.formatting import MISSING, MS_PER_S, counted, number, share, with_bounds
from loadtests.users import histogram

MOST = 40
"""More rows than this do not fit one picture; the table has them all."""
MOST_CURVES = 12
QUANTILES = [*(step / 50 for step in range(1, 50)), 0.99, 0.995, 0.999]
PHASES = ("create", "start", "bind", "answer")


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A picture with its caption and its numbers."""

    id: str
    title: str
    caption: str
    svg: Markup
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    keys: Sequence[tuple[str, str]] = ()
    """The classes that its marks are coloured by, each with what it means."""
    replay: bool = False


INTERFACES = (("wsgi", "WSGI"), ("asgi", "ASGI"), ("native", "native"), ("floor", "a floor: no framework"))


def plots(page: Page) -> list[Plot]:
    """Return every plot that the page's runs have the numbers for."""
    makers: Sequence[Callable[[Page], Plot | None]] = (
        rates, costs, response_times, sizes_and_rates, latencies, starts, climbs, worker_counts, prices,
    )  # fmt: skip
    return [plot for make in makers if (plot := make(page)) is not None]


def rates(page: Page) -> Plot | None:
    """Plot requests per second per vCPU."""
    return _by_column(
        page, "rate", "Requests per second per vCPU",
        "A dot is the estimate, its line the 95 % interval over fresh servers. The axis is logarithmic: equal "
        "distances are equal ratios.",
    )  # fmt: skip


def prices(page: Page) -> Plot | None:
    """Plot dollars per million requests."""
    return _by_column(page, "dollars", "Dollars per million requests", "At half of capacity, by the first price list.")


def response_times(page: Page) -> Plot | None:
    """Plot the 99th percentile at half of the stack's own capacity."""
    return _by_column(
        page, "p99", "99th percentile at half load",
        "Response times under arrivals at half of each stack's own capacity, counted from the intended send.",
    )  # fmt: skip


def _by_column(page: Page, key: str, title: str, caption: str) -> Plot | None:
    column, known = BY_KEY[key], [row for row in page.rows if key in row.values]
    if not known:
        return None
    known.sort(key=lambda row: -row.values[key].estimate if column.more_is_better else row.values[key].estimate)
    marks = [_dot(row, row.values[key], page) for row in known[:MOST]]
    axis = Axis(label=f"{column.heading}, logarithmic", log=True, show=column.text)
    return Plot(
        id=key,
        title=title,
        caption=caption + _cut(known),
        svg=dots(title, _spoken(marks, column.text), marks, axis),
        headings=("stack", column.heading, "95 % interval"),
        rows=[(label(row, page), column.text(row.values[key].estimate), _bounds(row.values[key], column.text))
              for row in known],
        keys=_keys(known),
    )  # fmt: skip


def costs(page: Page) -> Plot | None:
    """Plot what a request costs, split into the server and the framework on it."""
    known = [row for row in page.rows if "cost" in row.values and (row.floor or "over" in row.values)]
    if not known:
        return None
    known.sort(key=lambda row: row.values["cost"].estimate)
    title, show = "CPU time of a request: server and framework", BY_KEY["cost"].text
    drawn = [Bar(label=label(row, page), parts=_cost_parts(row)) for row in known[:MOST]]
    return Plot(
        id="costs",
        title=title,
        caption="The server's part is what its floor takes: the same server with a hand-written app and no framework. "
        "The rest is the framework's, with the app in it. A framework that brings its own server has no floor."
        + _cut(known),
        svg=bars(title, f"{len(drawn)} stacks, the cheapest first.", drawn, Axis(label="CPU µs/request", show=show)),
        headings=("stack", "server µs", "framework and app µs", "95 % interval"),
        rows=[_cost_line(row, page) for row in known],
        keys=(("server", "server"), ("framework", "framework and app")),
    )


def _cost_line(row: StackRow, page: Page) -> tuple[str, ...]:
    show = BY_KEY["cost"].text
    server, *framework = (show(size) for _, size in _cost_parts(row))
    if row.floor:
        return label(row, page), server, MISSING, MISSING
    return label(row, page), server, *framework, _bounds(row.values["over"], show)


def _cost_parts(row: StackRow) -> list[tuple[str, float]]:
    whole = row.values["cost"].estimate
    if row.floor:
        return [("server", whole)]
    over = max(0.0, row.values["over"].estimate)
    return [("server", whole - over), ("framework", over)]


def sizes_and_rates(page: Page) -> Plot | None:
    """Plot throughput against the size of the image."""
    known = [row for row in page.rows if {"rate", "image"} <= row.values.keys()]
    if not known:
        return None
    title = "Throughput against image size"
    points = [(_dot(row, row.values["image"], page), row.values["rate"].estimate) for row in known[:MOST]]
    return Plot(
        id="sizes",
        title=title,
        caption="Up and to the left is better: more requests from fewer bytes." + _cut(known),
        svg=scatter(
            title, f"{len(points)} stacks.", points, Axis(label="image MB, compressed", zero=True),
            Axis(label="req/s per vCPU", log=True),
        ),
        headings=("stack", "image MB", "req/s per vCPU"),
        rows=[(label(row, page), *(BY_KEY[key].text(row.values[key].estimate) for key in ("image", "rate")))
              for row in known],
        keys=_keys(known),
    )  # fmt: skip


def latencies(page: Page) -> Plot | None:
    """Plot the distribution of response times of the newest latency run, by size."""
    source = next(iter(page.sources.of(LatencyRun)), None)
    rows = _half_load(source) if source else []
    if not rows:
        return None
    title = "Response times by size"
    series = [Series(label=row.point, points=_ecdf(row), marked=_throttled(row)) for row in rows[:MOST_CURVES]]
    return Plot(
        id="latencies",
        title=title,
        caption="The share of responses that came within a time, under arrivals at half of each stack's own capacity. "
        "Where the quota throttled the server, the legend says for how much of the time.",
        svg=curves(
            title, f"{len(series)} curves.", series, Axis(label="response time in ms, logarithmic", log=True),
            Axis(label="share of responses", zero=True, show=share),
        ),
        headings=("stack and size", "p50 ms", "p99 ms", "throttled"),
        rows=[
            (row.point, *(with_bounds(one, scale=MS_PER_S, digits=2) for one in (row.p50_s, row.p99_s)),
             share(row.throttled_share))
            for row in rows
        ],
    )  # fmt: skip


def _half_load(source: Source) -> list[TrafficRow]:
    """Return the rows under arrivals at half of a stack's capacity, in plain surroundings."""
    run, summary = source.run, source.summary
    assert isinstance(run, LatencyRun)
    assert isinstance(summary, LatencySummary)
    halves = {
        (point.name, traffic.name)
        for point in run.points
        for traffic in point.traffic
        if traffic.rate is not None and traffic.rate.share == 0.5 and not (point.neighbours or point.proxied)  # noqa: PLR2004
    }
    return [row for row in summary.rows if (row.point, row.traffic) in halves and row.histogram]


def _ecdf(row: TrafficRow) -> list[tuple[float, float]]:
    """Return milliseconds and the share of responses that came within them."""
    total = sum(count for _, count in row.histogram)
    points, seen, wanted = [], 0, list(QUANTILES)
    for bucket, count in row.histogram:
        seen += count
        while wanted and seen >= wanted[0] * total:
            points.append((histogram.value_s(bucket) * MS_PER_S, wanted.pop(0)))
    return points


def _throttled(row: TrafficRow) -> str:
    return f"throttled {row.throttled_share:.1%}" if row.throttled_share else ""


def starts(page: Page) -> Plot | None:
    """Plot the phases of a start, from the newest start-up run."""
    source = next(iter(page.sources.of(StartupRun)), None)
    rows = [row for row in source.summary.starts if row.total_s] if source and isinstance(
        source.summary, StartupSummary) else []  # fmt: skip
    if not rows:
        return None
    title = "From start to first response"
    drawn = [Bar(label=row.cell, parts=_phases(row)) for row in rows[:MOST]]
    return Plot(
        id="starts",
        title=title,
        caption="create and start: the engine's calls. bind: until a socket listens. answer: until the first response. "
        "Means over fresh servers.",
        svg=bars(title, f"{len(drawn)} starts.", drawn, Axis(label="seconds"), replay=True),
        headings=("stack", *(f"{phase} s" for phase in PHASES), "whole start s (95 % interval)"),
        rows=[
            (row.cell, *(number(getattr(row, f"{phase}_s"), digits=3) for phase in PHASES),
             with_bounds(row.total_s, digits=3))
            for row in rows
        ],
        keys=[(phase, phase) for phase in PHASES],
        replay=True,
    )  # fmt: skip


def _phases(row: StartRow) -> list[tuple[str, float]]:
    return [(phase, seconds) for phase in PHASES if (seconds := getattr(row, f"{phase}_s"))]


def climbs(page: Page) -> Plot | None:
    """Plot throughput by step of the newest run that climbed, such as the capacity of ``/sleep``."""
    source = next((one for one in page.sources.of(LoadRun) if _steps(one)), None)
    if source is None or not isinstance(source.run, LoadRun):
        return None
    title = f"Capacity curve of {source.run.setup.load.scenario}"
    steps = _steps(source)
    series = [Series(label=name, points=points) for name, points in steps.items()]
    return Plot(
        id="climbs",
        title=title,
        caption="Correct responses a second at each step of the load, up to the step that broke the objective.",
        svg=curves(title, f"{len(series)} stacks.", series[:MOST_CURVES], Axis(label="target of the step"),
                   Axis(label="req/s", zero=True)),
        headings=("stack", "target", "req/s"),
        rows=[(name, f"{x:,g}", f"{y:,.0f}") for name, points in steps.items() for x, y in points],
    )  # fmt: skip


def _steps(source: Source) -> dict[str, list[tuple[float, float]]]:
    """Return the steps of each cell's first window that has several."""
    found: dict[str, list[tuple[float, float]]] = {}
    for one in source.visits:
        if isinstance(one, Window) and one.load is not None and len(one.load.steps) > 1:
            found.setdefault(one.cell, sorted((step.target, step.throughput_rps) for step in one.load.steps))
    return found


def worker_counts(page: Page) -> Plot | None:
    """Plot the throughput of each number of workers against the recommended one, by vCPU."""
    source = next(iter(page.sources.of(WorkersRun)), None)
    if source is None or not isinstance(source.summary, LatencySummary) or not source.summary.advice:
        return None
    marks = [
        Dot(label=f"{advice.vcpu:g} vCPU, {counted(other.workers, 'worker')}", value=ratio.estimate, low=ratio.low,
            high=ratio.high)
        for advice in source.summary.advice
        for other in advice.others
        if (ratio := other.throughput_ratio) is not None
    ]  # fmt: skip
    if not marks:
        return None
    title = "Workers against vCPU"
    best = "; ".join(f"{one.vcpu:g} vCPU: {one.workers}" for one in source.summary.advice)
    return Plot(
        id="workers",
        title=title,
        caption=f"Capacity relative to the recommended number of workers, which is {best}.",
        svg=dots(title, best, marks, Axis(label="ratio to the recommended number of workers", zero=True)),
        headings=("size and workers", "ratio", "95 % interval"),
        rows=[(one.label, f"{one.value:.3f}", _limits(one)) for one in marks],
    )


def label(row: StackRow, page: Page) -> str:
    """Return a row's name, with its size where the page has several."""
    several = len({one.vcpu for one in page.rows}) > 1
    return f"{row.subject.name}, {row.vcpu:g} vCPU" if several else row.subject.name


def _dot(row: StackRow, value: Interval, page: Page) -> Dot:
    return Dot(label=label(row, page), value=value.estimate, low=value.low, high=value.high, kind=kind(row))


def kind(row: StackRow) -> str:
    """Return the class that colours a row's marks."""
    return "floor" if row.floor else row.interface


def _keys(rows: Sequence[StackRow]) -> list[tuple[str, str]]:
    there = {kind(row) for row in rows}
    return [one for one in INTERFACES if one[0] in there]


def _cut(rows: Sequence[StackRow]) -> str:
    return f" The first {MOST} of {len(rows)}; the numbers below have all." if len(rows) > MOST else ""


def _bounds(value: Interval, show: Callable[[float], str]) -> str:
    return MISSING if value.low is None or value.high is None else f"{show(value.low)} to {show(value.high)}"


def _limits(mark: Dot) -> str:
    return MISSING if mark.low is None or mark.high is None else f"{mark.low:.3f} to {mark.high:.3f}"


def _spoken(marks: Sequence[Dot], show: Callable[[float], str]) -> str:
    """Return the first marks in words, for those who do not see the picture."""
    first = ", ".join(f"{one.label} {show(one.value)}" for one in marks[:3])
    return f"{len(marks)} stacks; first {first}. The table below has every number."
