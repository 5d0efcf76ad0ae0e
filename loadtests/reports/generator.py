"""From what load generators cost to a table. Pure."""

from rich.table import Table

from common.records.experiments.generator import GeneratorRow, GeneratorSummary
from loadtests.reports.formatting import bounds, estimate, plain_table, share, with_bounds

HEADINGS = (
    "server",
    "connections",
    "generator",
    "req/CPU-s",
    "95 % interval",
    "to wrk",
    "to FastHttpUser",
    "core used",
)


def table(summary: GeneratorSummary) -> Table:
    """Return each cell's cost, with its ratios to wrk's and to FastHttpUser's."""
    title = "requests per CPU-second of the generator"
    return plain_table(title, HEADINGS, map(_row, summary.rows), left={"server", "generator"})


def _row(row: GeneratorRow) -> tuple[str, ...]:
    return (
        "closing" if row.cell.closing else "keep-alive",
        str(row.cell.connections),
        row.cell.generator,
        estimate(row.requests_per_cpu_s),
        bounds(row.requests_per_cpu_s),
        with_bounds(row.to_wrk, digits=2),
        with_bounds(row.to_fast_http_user, digits=2),
        share(row.core_share),
    )
