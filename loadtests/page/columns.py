"""The columns of the page's one table: what each shows, in which unit, and which way is better. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.records.figure import Figure
from common.records.summary import Interval
from loadtests.analysis.formatting import BYTES_PER_MB, MB, MISSING, MS_PER_S, US_PER_S, limits
from loadtests.board.bill import dollars
from loadtests.board.rows import BoardRow
from loadtests.statistics.intervals import scaled


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of figures."""

    key: str
    """Its name in the page's address and in downloads."""
    heading: str
    unit: str
    more_is_better: bool
    digits: int
    command: str
    """The command that measures it."""
    about: str
    shown: bool = True
    """Whether it is shown unless chosen otherwise."""

    @property
    def better(self) -> str:
        """Which way is better, in words."""
        return "more is better" if self.more_is_better else "less is better"

    def text(self, value: float) -> str:
        """Return a number of this column."""
        return dollars(value) if self.unit == "$" else f"{value:,.{self.digits}f}"


COLUMNS = (
    Column(key="rate", heading="req/s per vCPU", unit="req/s", more_is_better=True, digits=0, command="loadtest",
           about="Correct responses to /hello per second of the server's CPU time."),
    Column(key="over", heading="µs over floor", unit="µs", more_is_better=False, digits=1, command="loadtest",
           about="CPU time of one request beyond what the same server takes without a framework."),
    Column(key="cost", heading="CPU µs/request", unit="µs", more_is_better=False, digits=1, command="loadtest",
           about="CPU time of one request: server and framework together.", shown=False),
    Column(key="p99", heading="p99 ms at 50 %", unit="ms", more_is_better=False, digits=2, command="latency",
           about="99th percentile of the response time under arrivals at half of the stack's own capacity."),
    Column(key="busy", heading="p99 ms, closed loop", unit="ms", more_is_better=False, digits=2, command="loadtest",
           about="99th percentile of the response time while every connection always has a request in flight.",
           shown=False),
    Column(key="image", heading="image MB", unit="MB", more_is_better=False, digits=1, command="sizes",
           about="Compressed layers, as a registry stores them."),
    Column(key="start", heading="start s", unit="s", more_is_better=False, digits=2, command="startup",
           about="Warm start of a fresh server, to its first response."),
    Column(key="idle", heading="idle MB", unit="MiB", more_is_better=False, digits=1, command="memory",
           about="Memory held before the first request, in MiB."),
    Column(key="limit", heading="limit MB", unit="MiB", more_is_better=False, digits=0, command="memory",
           about="The smallest memory limit under which the stack serves 1,000 requests, in MiB.", shown=False),
    Column(key="dollars", heading="$/million", unit="$", more_is_better=False, digits=4, command="loadtest",
           about="Dollars for a million requests by the first price list, at half of capacity."),
)  # fmt: skip
BY_KEY: Mapping[str, Column] = {column.key: column for column in COLUMNS}


def values(row: BoardRow, over: Interval | None, busy_s: Interval | None) -> dict[str, Interval]:
    """Return what is known of a stack by column, in the columns' units.

    ``over`` is its cost over the floor, ``busy_s`` its 99th percentile in a closed loop: both are a load test's own.
    """
    cost = None if row.rate is None else row.rate.value.inverse(US_PER_S)
    found = {
        "rate": _value(row.rate),
        "over": over,
        "cost": cost,
        "p99": _value(row.p99, MS_PER_S),
        "busy": None if busy_s is None else scaled(busy_s, MS_PER_S),
        "image": _value(row.compressed, 1 / BYTES_PER_MB),
        "start": _value(row.start),
        "idle": _value(row.idle, 1 / MB),
        "limit": _value(row.limit, 1 / MB),
        "dollars": row.per_million,
    }
    return {key: value for key, value in found.items() if value is not None}


def figures(row: BoardRow, tested: Figure | None) -> dict[str, Figure]:
    """Return the figure each column was computed from; ``tested`` is the rate in the load test itself."""
    found = {
        "rate": row.rate,
        "over": tested,
        "cost": row.rate,
        "p99": row.p99,
        "busy": tested,
        "image": row.compressed,
        "start": row.start,
        "idle": row.idle,
        "limit": row.limit,
        "dollars": row.rate,
    }
    return {key: figure for key, figure in found.items() if figure is not None}


def value_texts(value: Interval | None, column: Column) -> tuple[str, str]:
    """Return a figure and its interval as texts."""
    return MISSING if value is None else column.text(value.estimate), limits(value, column.text)


def _value(figure: Figure | None, scale: float = 1.0) -> Interval | None:
    return None if figure is None else scaled(figure.value, scale)
