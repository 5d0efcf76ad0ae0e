"""From a window made by workers elsewhere to a table. Pure."""

from collections.abc import Iterator

from rich.table import Table

from common.records.window import Load
from loadtests.reports.formatting import MS_PER_S, plain_table, share

HEADINGS = ("worker", "users", "requests", "req/s", "CPU", "joined late")


def table(load: Load) -> Table:
    """Return what each worker did; the title says what all of them did."""
    return plain_table(_title(load), HEADINGS, _rows(load), left={"worker"})


def _rows(load: Load) -> Iterator[tuple[str, ...]]:
    for one in load.workers:
        rate = f"{one.requests / one.duration_s:,.0f}"
        late = "yes" if one.joined_late else ""
        yield one.name, str(one.users), f"{one.requests:,}", rate, share(one.generator_cpu_s / one.duration_s), late


def _title(load: Load) -> str:
    rate = f"{load.requests / load.duration_s:,.0f} req/s" if load.duration_s else "no requests"
    if load.latency_s is None:
        return rate
    latency = {"p50": load.latency_s.p50, "p99": load.latency_s.p99, "maximum": load.latency_s.max}
    return f"{rate}; {', '.join(f'{name} {value * MS_PER_S:.2f} ms' for name, value in latency.items())}"
