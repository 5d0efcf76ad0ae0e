"""Plots of single runs: response times, starts, climbs, numbers of workers. Pure."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from common.records.run import LoadRun
from common.records.summary import Interval
from common.records.window import Window
from common.words import counted
from loadtests.analysis.formatting import MS_PER_S, US_PER_S, bounds, estimate, number, share, with_bounds
from loadtests.experiments.extras.records import AdditionPrice, ExtrasRun, ExtrasSummary
from loadtests.experiments.latency.records import LatencyRun, LatencySummary, TrafficRow, WorkersRun
from loadtests.experiments.startup.records import StartRow, StartupRun, StartupSummary
from loadtests.page.chart_kinds import Axis, Bar, Dot, Series, bars, curves, dots
from loadtests.page.model import Page
from loadtests.page.plots import (
    MOST,
    Plot,
    busy_response_times,
    costs,
    cut,
    prices,
    rates,
    response_times,
    sizes_and_rates,
)
from loadtests.page.share_plots import share_plots
from loadtests.page.sources import Source
from loadtests.users import histogram

MOST_CURVES = 12
QUANTILES = [*(step / 50 for step in range(1, 50)), 0.99, 0.995, 0.999]
PHASES = ("create", "start", "bind", "answer")


def all_plots(page: Page) -> list[Plot]:
    """Return every plot that the page's runs have the numbers for."""
    makers: Sequence[Callable[[Page], Plot | None]] = (
        rates, costs, response_times, busy_response_times, sizes_and_rates, latencies, starts, climbs, worker_counts,
        prices,
    )  # fmt: skip
    return [*(plot for make in makers if (plot := make(page)) is not None), *share_plots(page), *additions(page)]


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
        f"Where the quota throttled the server, the legend says for how much of the time.{_of(source)}"
        + cut(len(rows), MOST_CURVES),
        draw=partial(
            curves, title, f"{counted(len(series), 'curve')}.", series,
            Axis(label="response time in ms, logarithmic", log=True),
            Axis(label="share of responses", zero=True, tick=share),
        ),
        headings=("stack and size", "p50 ms", "p99 ms", "throttled"),
        rows=[
            (row.point, *(with_bounds(percentile, scale=MS_PER_S, digits=2) for percentile in (row.p50_s, row.p99_s)),
             share(row.throttled_share))
            for row in rows
        ],
    )  # fmt: skip


def _of(source: Source | None) -> str:
    """Return the sentence that names the run that a plot is of."""
    return f" Of run {source.run.id}." if source else ""


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
        f"Means over fresh servers.{_of(source)}" + cut(len(rows), MOST),
        draw=partial(bars, title, f"{counted(len(drawn), 'start')}.", drawn, Axis(label="seconds"), replay=True),
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
    source = next((run for run in page.sources.of(LoadRun) if _steps(run)), None)
    if source is None or not isinstance(source.run, LoadRun):
        return None
    title = f"Capacity curve of {source.run.setup.load.scenario}"
    steps = _steps(source)
    series = [Series(label=name, points=points) for name, points in [*steps.items()][:MOST_CURVES]]
    return Plot(
        id="climbs",
        title=title,
        caption="Correct responses a second at each step of the load, up to the step that broke the objective."
        + _of(source)
        + cut(len(steps), MOST_CURVES),
        draw=partial(curves, title, f"{counted(len(series), 'stack')}.", series,
                     Axis(label="target of the step"), Axis(label="req/s", zero=True)),
        headings=("stack", "target", "req/s"),
        rows=[(name, f"{x:,g}", f"{y:,.0f}") for name, points in steps.items() for x, y in points],
    )  # fmt: skip


def _steps(source: Source) -> dict[str, list[tuple[float, float]]]:
    """Return the steps of each cell's first window in which several were measured."""
    found: dict[str, list[tuple[float, float]]] = {}
    for visit in source.visits:
        steps = visit.load.steps if isinstance(visit, Window) and visit.load is not None else []
        measured = [step for step in steps if step.broken is None or step.requests]
        if len(measured) > 1:
            found.setdefault(visit.cell, sorted((step.target, step.throughput_rps) for step in measured))
    return found


def worker_counts(page: Page) -> Plot | None:
    """Plot the throughput of each number of workers against the recommended one, by vCPU."""
    source = next(iter(page.sources.of(WorkersRun)), None)
    if source is None or not isinstance(source.summary, LatencySummary) or not source.summary.advice:
        return None
    ratios = {
        f"{advice.vcpu:g} vCPU, {counted(other.workers, 'worker')}": ratio
        for advice in source.summary.advice
        for other in advice.others
        if (ratio := other.throughput_ratio) is not None
    }
    if not ratios:
        return None
    marks = [Dot(label=name, value=ratio.estimate, low=ratio.low, high=ratio.high) for name, ratio in ratios.items()]
    title = "Workers against vCPU"
    best = "; ".join(f"{advice.vcpu:g} vCPU: {advice.workers}" for advice in source.summary.advice)
    return Plot(
        id="workers",
        title=title,
        caption=f"Capacity relative to the recommended number of workers, which is {best}.{_of(source)}",
        draw=partial(dots, title, best, marks, Axis(label="ratio to the recommended number of workers", zero=True)),
        headings=("size and workers", "ratio", "95 % interval"),
        rows=[(name, estimate(ratio, digits=3), bounds(ratio, digits=3)) for name, ratio in ratios.items()],
    )


def additions(page: Page) -> Iterator[Plot]:
    """Yield a plot for each stack of what additions cost it, by the newest run that priced them."""
    seen = set[str]()
    for source in page.sources.of(ExtrasRun):
        assert isinstance(source.summary, ExtrasSummary)
        for stack, bare in source.summary.bare_s.items():
            prices = [price for price in source.summary.prices if price.stack == stack and price.cost_s is not None]
            if prices and stack not in seen:
                seen.add(stack)
                yield _price_list(source, stack, bare.estimate, prices, number=len(seen))


def _price_list(source: Source, stack: str, bare_s: float, prices: Sequence[AdditionPrice], *, number: int) -> Plot:
    title = f"What additions cost {stack}"
    known = [(price, price.cost_s) for price in prices if price.cost_s is not None]
    marks = [_cost_dot(price.title, cost) for price, cost in known]
    return Plot(
        id=f"extras-{number}",
        title=title,
        caption=f"Microseconds of the server's CPU time a request, beyond the {bare_s * US_PER_S:.1f} that a request "
        f"without additions takes, within rounds, with 95 % intervals.{_of(source)}",
        draw=partial(
            dots, title, f"{counted(len(marks), 'addition')}.", marks, Axis(label="CPU µs/request", zero=True)
        ),
        headings=("addition", "µs a request", "95 % interval", "decision"),
        rows=[
            (price.title, estimate(cost, scale=US_PER_S, digits=1, sign="+"),
             bounds(cost, scale=US_PER_S, digits=1, sign="+"), price.decision or price.verdict)
            for price, cost in known
        ],
    )  # fmt: skip


def _cost_dot(label: str, cost_s: Interval) -> Dot:
    low, high = (None if bound is None else bound * US_PER_S for bound in (cost_s.low, cost_s.high))
    return Dot(label=label, value=cost_s.estimate * US_PER_S, low=low, high=high)
