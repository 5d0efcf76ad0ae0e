"""The summary, table and sentences of ``make crosscheck``. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace
from rich.table import Table

from common.records.load import Setup, Tool
from common.records.run import CrosscheckRun
from common.records.summary import Interval
from common.records.window import Load, Window
from common.words import counted
from loadtests.analysis.formatting import bounds, estimate, plain_table, share
from loadtests.analysis.values import by_cell, generator_share, requests_per_cpu_s, server_share, throughput_rps
from loadtests.experiments.crosscheck.records import CrosscheckSummary, ToolRow
from loadtests.statistics.intervals import log_interval, paired_ratio

CROSSCHECK_HEADINGS = ("stack, tool", "req/s per vCPU", "95 % of it", "wall req/s", "95 % of that", "CPU", "gen")


TOOLS = (Tool.LOCUST, Tool.WRK)
"""The tools of a crosscheck, in the order of its cells."""


RateOf = Callable[[Load | None], float | None]
"""The rate of a load, ``None`` where it has none."""


def setups_of_tools(run: CrosscheckRun) -> dict[str, Setup]:
    """Return the setup of each cell's windows; they differ in the tool."""
    loads = {cell.name: replace(run.setup.load, tool=tool) for cell, tool in zip(run.cells, TOOLS, strict=True)}
    return {name: replace(run.setup, load=load) for name, load in loads.items()}


def summarise_crosscheck(run: CrosscheckRun, windows: Sequence[Window]) -> CrosscheckSummary:
    """Return each tool's rates, the ratios of ours to wrk's, and the windows that had failures."""
    windows_of = by_cell(windows)
    ours, theirs = (windows_of[cell.name] for cell in run.cells)
    setups = setups_of_tools(run)
    return CrosscheckSummary(
        run=run.id,
        rows=[_tool_row(setups[cell.name], cell.name, windows_of[cell.name]) for cell in run.cells],
        requests_per_cpu_s_ratio=_ratio(ours, theirs, requests_per_cpu_s),
        throughput_ratio=_ratio(ours, theirs, throughput_rps),
        failures=list(_failures(windows)),
    )


def _tool_row(setup: Setup, cell: str, windows: Sequence[Window]) -> ToolRow:
    loads = [window.load for window in windows if window.load is not None]
    return ToolRow(
        cell=cell,
        requests_per_cpu_s=log_interval(list(_by_round(windows, requests_per_cpu_s).values())),
        throughput_rps=log_interval(list(_by_round(windows, throughput_rps).values())),
        server_utilisation=server_share(loads, setup.size.vcpu),
        generator_utilisation=generator_share(loads, setup.usable_generator_cores),
    )


def _ratio(ours: Sequence[Window], theirs: Sequence[Window], rate_of: RateOf) -> Interval | None:
    return paired_ratio(_by_round(ours, rate_of), _by_round(theirs, rate_of))


def _by_round(windows: Sequence[Window], rate_of: RateOf) -> dict[int, float]:
    """Return the rate of each round's server by all the windows that a tool made on it."""
    loads: defaultdict[int, list[Load]] = defaultdict(list)
    for window in windows:
        if window.load is not None:
            loads[window.round].append(window.load)
    known = {number: _pooled(made, rate_of) for number, made in loads.items()}
    return {number: rate for number, rate in known.items() if rate is not None}


def _pooled(loads: Sequence[Load], rate_of: RateOf) -> float | None:
    """Return all requests over all the time that they took, where ``rate_of`` gives the rate of one load.

    ``None`` if a load has no value.
    """
    took_s = 0.0
    for load in loads:
        if (rate := rate_of(load)) is None:
            return None
        took_s += load.requests / rate
    return sum(load.requests for load in loads) / took_s


def _failures(windows: Sequence[Window]) -> Iterator[str]:
    for window in windows:
        problem = window.error or (window.load and ", ".join(f"{n} x {c}" for n, c in window.load.failures.items()))
        if problem:
            yield f"round {window.round} {window.cell}: {problem}"


def crosscheck_table(run: CrosscheckRun, summary: CrosscheckSummary) -> Table:
    """Return each tool's rates and its shares of the cores."""
    load = run.setup.load
    servers = counted(run.rounds, "server")
    title = f"crosscheck: {load.users} connections, {servers}, {run.turns} x {load.window_s:g} s by each tool"
    return plain_table(title, CROSSCHECK_HEADINGS, map(_tool_line, summary.rows), left={"stack, tool"})


def crosscheck_sentences(summary: CrosscheckSummary) -> Iterator[str]:
    """Yield the ratios of our tool's rates to wrk's."""
    for name, ratio in (
        ("requests per server CPU-second", summary.requests_per_cpu_s_ratio),
        ("wall rate", summary.throughput_ratio),
    ):
        yield f"{name}, {Tool.LOCUST} to {Tool.WRK}: {_in_words(ratio)}"


def _tool_line(row: ToolRow) -> tuple[str, ...]:
    rates = (row.requests_per_cpu_s, row.throughput_rps)
    return (
        row.cell,
        *(form(rate) for rate in rates for form in (estimate, bounds)),
        share(row.server_utilisation),
        share(row.generator_utilisation),
    )


def _in_words(ratio: Interval | None) -> str:
    if ratio is None:
        return "no server was loaded by both"
    limits = f" (95 % interval {bounds(ratio, digits=3)})" if ratio.low is not None else ""
    return f"{estimate(ratio, digits=3)}{limits}, {counted(ratio.n, 'server')}"
