"""A run of memory: every cell once a round on a fresh server, then each cell's smallest limit; all on disk at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from common.catalog.sizes import Size
from common.conformance.candidates import conforming_candidates
from common.console import live_progress
from common.errors import FailedError, UsageError
from common.host.cores import split_cores
from common.host.run_lock import hold_run_lock
from common.records.memory import Limit, Memory, MemoryCell, MemoryRun, MemorySummary
from common.records.run import Conformance
from common.records.summary import Verdict
from common.runtimes.candidates import Candidate, Runtime
from loadtests.memory import report as memory_report
from loadtests.memory.limit import MB, smallest_limit, under_limit
from loadtests.memory.server import CONNECTIONS, REQUESTS, look
from loadtests.memory.summary import limited, summarise
from loadtests.runs.folder import append, write
from loadtests.runs.manifest import cell_of
from loadtests.runs.plan import steps
from loadtests.runs.probe_run import conforming, head, new_folder

MOST_WORKERS = 64
FAILED = frozenset({Verdict.NONCONFORMING, Verdict.NOT_MEASURED, Verdict.SERVER_DIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the run is made, as its user set it."""

    runtime: Runtime
    size: Size
    workers: tuple[int, ...]
    limit: bool
    rounds: int
    seed: int | None


def read_workers(text: str) -> tuple[int, ...]:
    """The numbers of workers that ``WORKERS=`` names, several joined by commas."""
    parts = [part.strip() for part in text.split(",")]
    counts = [int(part) for part in parts if part.isascii() and part.isdigit()]
    if len(counts) < len(parts) or not all(1 <= count <= MOST_WORKERS for count in counts):
        raise UsageError(f"WORKERS={text or '(empty)'} is none. Accepted: 1 to {MOST_WORKERS}, such as 1 or 1,2,4.")
    return tuple(dict.fromkeys(counts))


def run_memory(settings: Settings, candidates: Sequence[Candidate], out: Path | None, console: Console) -> None:
    """Hold every candidate to the contract, look at its memory in rounds, print and write what came of it.

    ``FailedError`` once all is written where one has no valid number.
    """
    made, outcomes = conforming(candidates, console)
    run = _manifest(settings, made, outcomes)
    good = conforming_candidates(made.values(), outcomes)
    with hold_run_lock(run.id):
        summary = _measured(run, good, new_folder(out, "memory", run.id), console)
    if bad := [row.cell for row in summary.rows if row.verdict in FAILED]:
        raise FailedError(f"{len(bad)} cells have no valid number: {', '.join(bad)}.")


def _measured(run: MemoryRun, candidates: Mapping[str, Candidate], folder: Path, console: Console) -> MemorySummary:
    """What the rounds come to; written and printed also where they were broken off."""
    write(folder / "run.json", run)
    servers: list[Memory] = []
    limits: list[Limit] = []
    try:
        _look_rounds(run, candidates, folder, servers, console)
        _look_limits(run, candidates, folder, limits, console)
    finally:
        summary = summarise(run, servers, limits)
        write(folder / "summary.json", summary)
        console.print(memory_report.table(run, summary))
        for note in memory_report.notes(run, summary):
            console.print(f"  {note}", soft_wrap=True, markup=False)
        console.print(f"written to {folder}")
    return summary


def _manifest(settings: Settings, made: Mapping[str, Candidate], outcomes: Mapping[str, Conformance]) -> MemoryRun:
    return MemoryRun(
        **head(runtime=settings.runtime, rounds=settings.rounds, seed=settings.seed),
        requests=REQUESTS,
        connections=CONNECTIONS,
        limits=settings.limit,
        cells=[
            MemoryCell(
                name=f"{name} {workers} workers",
                stack=cell_of(one, outcomes[name]),
                vcpu=settings.size.vcpu,
                workers=workers,
            )
            for name, one in made.items()
            for workers in _workers(one, settings.workers)
        ],
    )


def _workers(candidate: Candidate, asked: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers asked for; one where the framework's own server is one process whatever it is told."""
    command = candidate.stack.framework.command
    return asked if not command or "{workers}" in command else (1,)


def _look_rounds(
    run: MemoryRun, candidates: Mapping[str, Candidate], folder: Path, servers: list[Memory], console: Console
) -> None:
    cells = {cell.name: cell for cell in run.cells if cell.stack.name in candidates}
    planned = list(steps(tuple(cells), run.rounds, run.seed))
    with live_progress("memory", len(planned), console) as display:
        for step in planned:
            display.start(f"round {step.round}/{run.rounds} {step.cell}")
            blank = Memory(
                run=run.id, round=step.round, position=step.position, cell=step.cell, started_at=datetime.now(UTC)
            )
            server = look(blank, candidates[cells[step.cell].stack.name], *_place(cells[step.cell]))
            servers.append(server)
            append(folder / "memory.jsonl", server)
            display.done(f"{step.cell}: {server.error or _line(server)}")


def _look_limits(
    run: MemoryRun, candidates: Mapping[str, Candidate], folder: Path, limits: list[Limit], console: Console
) -> None:
    cells = [cell for cell in run.cells if cell.stack.name in candidates and cell.name in limited(run)]
    with live_progress("smallest limit", len(cells), console) as display:
        for cell in cells:
            display.start(cell.name)
            limit = smallest_limit(cell.name, under_limit(candidates[cell.stack.name], *_place(cell)))
            limits.append(limit)
            append(folder / "limits.jsonl", limit)
            told = "none passed" if limit.limit_bytes is None else f"{limit.limit_bytes / MB:.0f} MB"
            display.done(f"{cell.name}: {told} after {len(limit.attempts)} servers")


def _place(cell: MemoryCell) -> tuple[Size, tuple[int, ...]]:
    return Size(vcpu=cell.vcpu, worker_count=cell.workers), split_cores(cell.vcpu).server


def _line(server: Memory) -> str:
    idle, loaded = (one.held_bytes if one else None for one in (server.idle, server.loaded))
    return f"{(idle or 0) / MB:.1f} MB idle, {(loaded or 0) / MB:.1f} MB after the load"
