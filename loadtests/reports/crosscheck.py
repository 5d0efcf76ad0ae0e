"""The report of a crosscheck between two load generators. Pure."""

from collections.abc import Iterator

from rich.table import Table

from common.catalog.numbers import counted
from common.records.experiments.generator import CrosscheckSummary, ToolRow
from common.records.load import Tool
from common.records.run import CrosscheckRun
from common.records.summary import Interval
from loadtests.reports.formatting import bounds, estimate, plain_table, share

HEADINGS = ("stack, tool", "req/s per vCPU", "95 % of it", "wall req/s", "95 % of that", "CPU", "gen")


def table(run: CrosscheckRun, summary: CrosscheckSummary) -> Table:
    """Return each tool's rates and its shares of the cores."""
    load = run.setup.load
    servers = counted(run.rounds, "server")
    title = f"crosscheck: {load.users} connections, {servers}, {run.turns} x {load.window_s:g} s by each tool"
    return plain_table(title, HEADINGS, map(_row, summary.rows), left={"stack, tool"})


def sentences(summary: CrosscheckSummary) -> Iterator[str]:
    """Yield the ratios of our tool's rates to wrk's."""
    for name, ratio in (
        ("requests per server CPU-second", summary.requests_per_cpu_s_ratio),
        ("wall rate", summary.throughput_ratio),
    ):
        yield f"{name}, {Tool.LOCUST} to {Tool.WRK}: {_in_words(ratio)}"


def _row(row: ToolRow) -> tuple[str, ...]:
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
