"""The cost per request of each load generator, and the problems of a distributed window. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from common.records.experiments.generator import (
    DistributedRun,
    DistributedSummary,
    GeneratorCell,
    GeneratorRow,
    GeneratorRun,
    GeneratorSummary,
    GeneratorVisit,
)
from common.records.window import Load, Window
from loadtests.analysis.verdicts import GENERATOR_CEILING, worker_reasons
from loadtests.statistics.intervals import log_interval
from loadtests.statistics.paired import paired_ratio

OURS, WRK, FAST_HTTP_USER = "ours", "wrk", "FastHttpUser"


def summarise(run: GeneratorRun, visits: Sequence[GeneratorVisit]) -> GeneratorSummary:
    """Return each cell's requests per CPU-second, and its ratios to wrk's and FastHttpUser's within rounds."""
    values = {cell.name: _values(cell, visits) for cell in run.cells}
    return GeneratorSummary(run=run.id, rows=[_row(run, cell, values, visits) for cell in run.cells])


def summarise_distributed(run: DistributedRun, visits: Sequence[Window]) -> DistributedSummary:
    """Return the workers' common window and its problems."""
    load = next((visit.load for visit in visits if visit.load is not None), None)
    errors = [visit.error for visit in visits if visit.error is not None]
    return DistributedSummary(run=run.id, load=load, problems=[*errors, *(_problems(load) if load else ())])


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
