"""The records of ``make memory``: the memory that fresh servers hold, and the limits under which they work or fail."""

from typing import Annotated

from msgspec import Struct

from common.catalog.sizes import Size
from common.records.run import Cell, Run
from common.records.schema import Count, RunSummary, Visit, says
from common.records.summary import Interval, Verdict


class Held(Struct, frozen=True, kw_only=True):
    """Memory at one instant, in bytes; null for what cannot be read on this machine."""

    held_bytes: Annotated[
        Count | None, says("Anonymous, shared and kernel memory of the control group; PSS without a control group.")
    ]
    anonymous_bytes: Annotated[Count | None, says("Anonymous memory of the control group.")]
    shared_bytes: Annotated[Count | None, says("tmpfs and shared memory of the control group.")]
    kernel_bytes: Annotated[Count | None, says("Kernel memory of the control group.")]
    pss_bytes: Annotated[Count | None, says("Proportional set size of the processes, from smaps_rollup.")]
    uss_bytes: Annotated[Count | None, says("Unique set size: pages that no other process maps.")]
    processes: Annotated[Count, says("Number of processes in the control group or process tree.")]


class MemoryCell(Struct, frozen=True, kw_only=True):
    """A stack with a number of workers."""

    name: Annotated[str, says("Name, unique in its run.")]
    stack: Cell
    size: Annotated[Size, says("vCPUs and workers given to the server.")]


class MemoryRun(Run, frozen=True, kw_only=True, tag="memory"):
    """Memory held by fresh servers, and the smallest limit that each stack passes under."""

    requests: Annotated[Count, says("Number of requests of the load.")]
    connections: Annotated[Count, says("Number of connections that share the requests.")]
    limits: Annotated[bool, says("Whether the run searches for the smallest limit.")]
    cells: list[MemoryCell]


class MemoryVisit(Visit, frozen=True, kw_only=True, tag="memory"):
    """One fresh server."""

    idle: Annotated[Held | None, says("Memory once the server answers and its memory is stable.")] = None
    loaded: Annotated[Held | None, says("Memory after the load.")] = None
    requests: Annotated[Count | None, says("Number of requests of its load; null in old records: the run's.")] = None


class Attempt(Struct, frozen=True, kw_only=True):
    """One fresh server under one limit."""

    limit_bytes: Count
    passed: Annotated[bool, says("Whether the server started and answered every request in time without being killed.")]
    why: Annotated[str | None, says("Why it failed; null if it passed.")] = None


class LimitVisit(Visit, frozen=True, kw_only=True, tag="limit"):
    """The search for a cell's smallest memory limit."""

    limit_bytes: Annotated[
        Count | None, says("Smallest multiple of the step that passed every time; null if none did.")
    ]
    step_bytes: Annotated[Count, says("Step size of the search.")]
    repeats: Annotated[Count, says("Number of times in a row that it passed.")]
    attempts: list[Attempt]


class MemoryRow(Struct, frozen=True, kw_only=True):
    """The results of a cell."""

    cell: Annotated[str, says("The cell's name.")]
    idle_bytes: Annotated[Interval | None, says("Memory held when idle.")]
    loaded_bytes: Annotated[Interval | None, says("Memory held after the load.")]
    requests: Annotated[
        Count | None,
        says("Number of requests of the load if it is not the run's, since the servers may compile their code."),
    ] = None
    idle_pss_bytes: Annotated[Interval | None, says("Proportional set size when idle.")]
    parts_bytes: Annotated[list[float] | None, says("Mean idle memory by kind: anonymous, shared, kernel.")]
    limit_bytes: Annotated[
        Count | None, says("Smallest limit that passed; null if none did or the run did not search for it.")
    ]
    limit_starts: Annotated[
        Count | None, says("Servers started and loaded under that limit, all without a failure; null without one.")
    ] = None
    held_verdict: Annotated[Verdict, says("Verdict of the memory held, whatever became of the search for a limit.")]
    verdict: Verdict
    doubts: Annotated[dict[str, str], says("Every verdict that applies, each with the observation and the remedy.")]


class PerWorker(Struct, frozen=True, kw_only=True):
    """The memory that each additional worker adds to a stack."""

    stack: Annotated[str, says("Name of the stack and its image.")]
    idle_bytes: Annotated[float, says("Slope of a straight line through idle memory against the number of workers.")]


class MemorySummary(RunSummary, frozen=True, kw_only=True):
    """The results of a run (``summary.json``)."""

    rows: list[MemoryRow]
    per_worker: list[PerWorker]
