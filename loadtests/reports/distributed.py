"""The report of a window made by workers on other machines. Pure."""

from collections.abc import Iterator

from rich.table import Table

from common.records.window import Load
from loadtests.reports.formatting import MS_PER_S, plain_table, share

HEADINGS = ("worker", "users", "requests", "req/s", "CPU", "joined late")


def table(load: Load) -> Table:
    """Return a row for each worker; the title has the totals."""
    return plain_table(_title(load), HEADINGS, _rows(load), left={"worker"})


def _rows(load: Load) -> Iterator[tuple[str, ...]]:
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


def _title(load: Load) -> str:
    rate = f"{load.requests / load.duration_s:,.0f} req/s" if load.duration_s else "no requests"
    if load.latency_s is None:
        return rate
    latency = {"p50": load.latency_s.p50, "p99": load.latency_s.p99, "maximum": load.latency_s.max}
    return f"{rate}; {', '.join(f'{name} {value * MS_PER_S:.2f} ms' for name, value in latency.items())}"
