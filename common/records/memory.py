"""What ``make memory`` writes down: memory held by fresh servers, and the limits that they pass and fail under."""

from datetime import datetime
from typing import Annotated

from msgspec import Struct

from common.records.run import Cell
from common.records.schema import SCHEMA_VERSION, Count, says
from common.records.startup import ProbeRun
from common.records.summary import Interval, Verdict


class Held(Struct, frozen=True, kw_only=True):
    """Memory at one instant, in bytes; null where it cannot be read there."""

    held_bytes: Annotated[Count | None, says("Anonymous + shared + kernel memory of the group; PSS without a group.")]
    anonymous_bytes: Annotated[Count | None, says("Anonymous memory of the group.")]
    shared_bytes: Annotated[Count | None, says("tmpfs and shared memory of the group.")]
    kernel_bytes: Annotated[Count | None, says("Kernel memory of the group.")]
    pss_bytes: Annotated[Count | None, says("Proportional set size of the processes, from smaps_rollup.")]
    uss_bytes: Annotated[Count | None, says("Pages that no other process maps.")]
    processes: Annotated[Count, says("Processes of the group or tree.")]


class MemoryCell(Struct, frozen=True, kw_only=True):
    """What is looked at, with how many workers."""

    name: Annotated[str, says("Unique in its run.")]
    stack: Cell
    vcpu: Annotated[float, says("vCPUs given to the server.")]
    workers: Annotated[Count, says("Worker processes asked for.")]


class MemoryRun(ProbeRun, frozen=True, kw_only=True):
    """One ``make memory`` (``run.json``), written before its first server."""

    requests: Annotated[Count, says("Requests of the load.")]
    connections: Annotated[Count, says("Connections that share them.")]
    limits: Annotated[bool, says("Whether the smallest limit is looked for.")]
    cells: list[MemoryCell]


class Memory(Struct, frozen=True, kw_only=True):
    """One fresh server (a line of ``memory.jsonl``)."""

    run: Annotated[str, says("The run's id.")]
    round: Annotated[Count, says("Round, from 1.")]
    position: Annotated[Count, says("Place in the round's order, from 1.")]
    cell: Annotated[str, says("The cell's name.")]
    started_at: Annotated[datetime, says("UTC.")]
    idle: Annotated[Held | None, says("Once it answers and holds still.")] = None
    loaded: Annotated[Held | None, says("After the load.")] = None
    error: Annotated[str | None, says("Why there is no reading.")] = None


class Attempt(Struct, frozen=True, kw_only=True):
    """One fresh server under one limit."""

    limit_bytes: Count
    passed: Annotated[bool, says("Whether it started and gave every answer, in time and without a kill.")]
    why: Annotated[str | None, says("What went wrong.")] = None


class Limit(Struct, frozen=True, kw_only=True):
    """The smallest limit of a cell (a line of ``limits.jsonl``) and how it was found."""

    cell: Annotated[str, says("The cell's name.")]
    limit_bytes: Annotated[Count | None, says("Smallest multiple of the step that passed each time; null if none.")]
    step_bytes: Annotated[Count, says("Step of the search.")]
    repeats: Annotated[Count, says("Times that it passed in a row.")]
    attempts: list[Attempt]


class MemoryRow(Struct, frozen=True, kw_only=True):
    """A cell's servers in one row."""

    cell: Annotated[str, says("The cell's name.")]
    idle_bytes: Annotated[Interval | None, says("Held when idle.")]
    loaded_bytes: Annotated[Interval | None, says("Held after the load.")]
    idle_pss_bytes: Annotated[Interval | None, says("Proportional set size when idle.")]
    parts_bytes: Annotated[list[float] | None, says("Idle: anonymous, shared, kernel; means.")]
    limit_bytes: Annotated[Count | None, says("Smallest limit that passed; null where none did or none was sought.")]
    verdict: Verdict
    doubts: Annotated[dict[str, str], says("Every verdict that applies, each with what was seen and what to do.")]


class PerWorker(Struct, frozen=True, kw_only=True):
    """What each worker adds to a stack."""

    stack: Annotated[str, says("Stack and image.")]
    idle_bytes: Annotated[float, says("By a straight line through idle memory against the number of workers.")]


class MemorySummary(Struct, frozen=True, kw_only=True):
    """What a run's servers amount to (``summary.json``)."""

    schema_version: Annotated[int, says("Version of these records.")] = SCHEMA_VERSION
    run: Annotated[str, says("The run's id.")]
    rows: list[MemoryRow]
    per_worker: list[PerWorker]
