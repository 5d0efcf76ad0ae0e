"""The summary and table of ``make bench-generator``. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table

from common.records.window import Load
from loadtests.analysis.formatting import bounds, estimate, plain_table, share, with_bounds
from loadtests.analysis.thresholds import GENERATOR_CEILING
from loadtests.analysis.verdicts import worker_reasons
from loadtests.experiments.bench_generator.records import (
    GeneratorCell,
    GeneratorRow,
    GeneratorRun,
    GeneratorSummary,
    GeneratorVisit,
)
from loadtests.statistics.intervals import log_interval, paired_ratio

OURS, WRK, FAST_HTTP_USER = "ours", "wrk", "FastHttpUser"


HEADINGS = ("server", "connections", "generator", "req/CPU-s", "95 % interval", "to wrk", "to FastHttpUser",
            "core used")  # fmt: skip


def summarise(run: GeneratorRun, visits: Sequence[GeneratorVisit]) -> GeneratorSummary:
    """Return each cell's requests per CPU-second, and its ratios to wrk's and FastHttpUser's within rounds."""
    values = {cell.name: _values(cell, visits) for cell in run.cells}
    return GeneratorSummary(run=run.id, rows=[_row(run, cell, values, visits) for cell in run.cells])


def _values(cell: GeneratorCell, visits: Sequence[GeneratorVisit]) -> dict[int, float]:
    return {
        visit.round: value
        for visit in visits
        if visit.cell == cell.name and (value := visit.requests_per_cpu_s) is not None
    }


def _row(
    run: GeneratorRun, cell: GeneratorCell, values: Mapping[str, dict[int, float]], visits: Sequence[GeneratorVisit]
) -> GeneratorRow:
    own = [visit for visit in visits if visit.cell == cell.name]
    time_s = sum(visit.duration_s for visit in own)
    group = {other.generator: values[other.name] for other in run.cells if other.group == cell.group}
    return GeneratorRow(
        cell=cell,
        requests_per_cpu_s=log_interval(list(values[cell.name].values())),
        to_wrk=paired_ratio(values[cell.name], group.get(WRK, {})),
        to_fast_http_user=paired_ratio(values[cell.name], group.get(FAST_HTTP_USER, {})),
        core_share=sum(visit.generator_cpu_s for visit in own) / time_s if time_s else None,
    )


def _problems(load: Load) -> Iterator[str]:
    if load.server_gone is not None:
        yield f"the server was lost: {load.server_gone}."
    if load.failures:
        yield f"failures: {', '.join(f'{name} x {count}' for name, count in load.failures.items())}."
    yield from (sentence for _, sentence in worker_reasons([load]))
    for worker in load.workers:
        share = worker.generator_cpu_s / worker.duration_s
        if share > GENERATOR_CEILING:
            yield f"worker {worker.name} used {share:.0%} of a core; use more workers."


def table(summary: GeneratorSummary) -> Table:
    """Return each cell's cost, with its ratios to wrk's and to FastHttpUser's."""
    title = "requests per CPU-second of the generator"
    return plain_table(title, HEADINGS, map(_line, summary.rows), left={"server", "generator"})


def _line(row: GeneratorRow) -> tuple[str, ...]:
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
