"""The report of a load test that was repeated: what its runs say together. Pure."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from common.records.summary import Summary
from loadtests.analysis.across_runs import RepeatedRate, stack_rows
from loadtests.reports.formatting import bounds, estimate, plain_table

HEADINGS = ("stack", "req/s per vCPU", "95 % over runs", "relative", "95 % of relative")


def table(rows: Sequence[RepeatedRate], runs: int) -> Table:
    """Return a row per stack: its rate, and its rate over the mean of all stacks, each with its interval over runs."""
    cells = [
        (
            row.cell,
            estimate(row.requests_per_cpu_s),
            bounds(row.requests_per_cpu_s),
            estimate(row.relative, digits=3),
            bounds(row.relative, digits=3),
        )
        for row in rows
    ]
    return plain_table(f"{runs} runs together", HEADINGS, cells, left={"stack"})


def notes(rows: Sequence[RepeatedRate], summaries: Sequence[Summary]) -> Iterator[str]:
    """Yield what the intervals mean, and which stacks are left out."""
    yield (
        "95 % over runs: Student's t on logarithms, where each run counts as one value; relative: over the "
        "geometric mean of all stacks in the same run."
    )
    known = {row.cell for row in rows}
    if missing := dict.fromkeys(row.cell for one in summaries for row in stack_rows(one) if row.cell not in known):
        yield f"left out, since not every run has a valid number for them: {', '.join(missing)}."
