"""The summary and the workers' table of a distributed window. Pure."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from common.records.window import Load, Window
from loadtests.analysis.formatting import MS_PER_S, plain_table, share
from loadtests.experiments.bench_generator.report import _problems
from loadtests.experiments.distributed.records import DistributedRun, DistributedSummary

WORKER_HEADINGS = ("worker", "users", "requests", "req/s", "CPU", "joined late")


def summarise_distributed(run: DistributedRun, visits: Sequence[Window]) -> DistributedSummary:
    """Return the workers' common window and its problems."""
    load = next((visit.load for visit in visits if visit.load is not None), None)
    errors = [visit.error for visit in visits if visit.error is not None]
    return DistributedSummary(run=run.id, load=load, problems=[*errors, *(_problems(load) if load else ())])


def workers_table(load: Load) -> Table:
    """Return a row for each worker; the title has the totals."""
    return plain_table(_workers_title(load), WORKER_HEADINGS, _worker_rows(load), left={"worker"})


def _worker_rows(load: Load) -> Iterator[tuple[str, ...]]:
    for worker in load.workers:
        rate = f"{worker.requests / worker.duration_s:,.0f}"
        late = "yes" if worker.joined_late else ""
        yield (
            worker.name,
            str(worker.users),
            f"{worker.requests:,}",
            rate,
            share(worker.generator_cpu_s / worker.duration_s),
            late,
        )


def _workers_title(load: Load) -> str:
    rate = f"{load.requests / load.duration_s:,.0f} req/s" if load.duration_s else "no requests"
    if load.latency_s is None:
        return rate
    latency = {"p50": load.latency_s.p50, "p99": load.latency_s.p99, "maximum": load.latency_s.max}
    return f"{rate}; {', '.join(f'{name} {value * MS_PER_S:.2f} ms' for name, value in latency.items())}"
