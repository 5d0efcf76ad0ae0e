"""The records of ``make pings``."""

from typing import Annotated

from msgspec import Struct

from common.records.run import Cell, Run
from common.records.schema import RunSummary, Seconds, Visit, says
from common.records.summary import Interval


class PingRun(Run, frozen=True, kw_only=True, tag="pings"):
    """Pings of servers."""

    cells: list[Cell]


class PingVisit(Visit, frozen=True, kw_only=True, tag="ping"):
    """One ping."""

    ping_s: Annotated[Seconds, says("Time until the answer.")]


class PingRow(Struct, frozen=True, kw_only=True):
    """The pings of one cell."""

    cell: str
    ping_s: Interval


class PingSummary(RunSummary, frozen=True, kw_only=True):
    """The results of a run."""

    rows: list[PingRow]
