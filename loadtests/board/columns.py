"""The columns that show what is known of a stack: what each shows, how it is read, and which command measures it. Pure.

The terminal, CSV, Markdown, the page, its downloads and the site take their columns from this list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.records.figure import Conditions, Figure, Metric
from common.records.summary import Interval
from loadtests.analysis.formatting import BYTES_PER_MB, MB, MISSING, MS_PER_S, US_PER_S, limits
from loadtests.board.bill import dollars, newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of figures."""

    key: str
    """Its name in the page's address and in downloads."""
    heading: str
    unit: str
    digits: int
    command: str
    """The command that measures it."""
    about: str
    metric: Metric | None = None
    """The metric of its figures; ``None`` if it is computed from those of another column, or from a load test."""
    conditions: Sequence[str] = ()
    """The conditions that its figures share with a row."""
    scale: float = 1.0
    """What a figure, or a load test's own value, is multiplied by to be in the column's unit."""
    more_is_better: bool = False
    shown: bool = True
    """Whether the page shows it unless chosen otherwise."""

    @property
    def better(self) -> str:
        """Which way is better, in words."""
        return "more is better" if self.more_is_better else "less is better"

    def text(self, value: float) -> str:
        """Return a number of this column."""
        return dollars(value) if self.unit == "$" else f"{value:,.{self.digits}f}"

    def find(self, figures: Sequence[Figure], row: Conditions) -> Figure | None:
        """Return the newest of a stack's figures that the column shows under the conditions of a row."""
        if self.metric is None:
            return None
        return newest(figures, self.metric, **{name: getattr(row, name) for name in self.conditions})


COLUMNS = (
    Column(key="rate", heading="req/s per vCPU", unit="req/s", digits=0, command="loadtest", more_is_better=True,
           metric=Metric.REQUESTS_PER_CPU_S, conditions=("scenario", "vcpu"),
           about="Correct responses to /hello per second of the server's CPU time."),
    Column(key="over", heading="µs over floor", unit="µs", digits=1, command="loadtest", scale=US_PER_S,
           about="CPU time of one request beyond what the same server takes without a framework."),
    Column(key="cost", heading="CPU µs/request", unit="µs", digits=1, command="loadtest", shown=False,
           about="CPU time of one request: server and framework together."),
    Column(key="p99", heading="p99 ms at 50 %", unit="ms", digits=2, command="latency",
           metric=Metric.P99_S, conditions=("vcpu", "load_share"), scale=MS_PER_S,
           about="99th percentile of the response time under arrivals at half of the stack's own capacity."),
    Column(key="busy", heading="p99 ms, closed loop", unit="ms", digits=2, command="loadtest", shown=False,
           scale=MS_PER_S,
           about="99th percentile of the response time while every connection always has a request in flight."),
    Column(key="image", heading="image MB", unit="MB", digits=1, command="sizes",
           metric=Metric.COMPRESSED_BYTES, scale=1 / BYTES_PER_MB,
           about="Compressed layers, as a registry stores them."),
    Column(key="start", heading="start s", unit="s", digits=2, command="startup",
           metric=Metric.START_S, conditions=("vcpu",),
           about="Warm start of a fresh server, to its first response."),
    Column(key="idle", heading="idle MB", unit="MiB", digits=1, command="memory",
           metric=Metric.IDLE_BYTES, conditions=("workers",), scale=1 / MB,
           about="Memory held before the first request, in MiB."),
    Column(key="limit", heading="limit MB", unit="MiB", digits=0, command="memory", shown=False,
           metric=Metric.LIMIT_BYTES, conditions=("workers",), scale=1 / MB,
           about="The smallest memory limit under which the stack serves 1,000 requests, in MiB."),
    Column(key="dollars", heading="$/million", unit="$", digits=4, command="loadtest",
           about="Dollars for a million requests by the first price list, at half of capacity."),
)  # fmt: skip
BY_KEY: Mapping[str, Column] = {column.key: column for column in COLUMNS}
MEASURED: Mapping[str, Column] = {column.command: column for column in COLUMNS if column.metric and column.shown}
"""The column whose figure a command is run for, where a stack lacks it."""


def value_texts(value: Interval | None, column: Column) -> tuple[str, str]:
    """Return a figure and its interval as texts."""
    return MISSING if value is None else column.text(value.estimate), limits(value, column.text)
