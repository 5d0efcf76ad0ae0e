"""A run of starts and pulls: every cell once a round, in a newly shuffled order; each on disk before the next."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from rich.console import Console

from common.catalog.selection import select
from common.catalog.sizes import Size
from common.conformance.candidates import conforming_candidates
from common.console import LiveProgress, live_progress
from common.engine import pulls
from common.engine.page_cache import cold_method
from common.errors import FailedError, UsageError
from common.host.cores import split_cores
from common.host.run_lock import hold_run_lock
from common.host.shaped_link import parse_bandwidths, require_namespaces
from common.records.run import Conformance
from common.records.startup import Pull, PullCell, Start, StartCell, StartupRun, StartupSummary
from common.records.summary import Verdict
from common.registries import local
from common.runtimes.candidates import Candidate, Runtime
from loadtests.runs.folder import append, write
from loadtests.runs.manifest import cell_of
from loadtests.runs.plan import Step, steps
from loadtests.runs.probe_run import conforming, head, new_folder
from loadtests.startup import report as startup_report
from loadtests.startup.pull import puller
from loadtests.startup.split import split
from loadtests.startup.start import observe, pinned
from loadtests.startup.summary import WARM_BYTES, summarise

CACHES = ("warm", "cold")
ROUNDS = 5
"""Unless ``ROUNDS=`` says otherwise."""
FAILED = frozenset({Verdict.NONCONFORMING, Verdict.NOT_MEASURED, Verdict.SERVER_DIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the run is made, as its user set it."""

    runtime: Runtime
    sizes: tuple[Size, ...]
    caches: tuple[str, ...]
    bandwidths: tuple[str, ...]
    rounds: int
    seed: int | None


def read_caches(text: str | None, runtime: Runtime) -> tuple[str, ...]:
    """The states of the page cache that ``CACHE=`` names; unset is both in Docker, and warm for processes."""
    if runtime is Runtime.PROCESS:
        if text not in {None, "warm"}:
            raise UsageError(f"CACHE={text} needs RUNTIME=docker; RUNTIME=process runs warm, without an image's files.")
        return ("warm",)
    return select(text or "all", CACHES, variable="CACHE")


def read_links(text: str, runtime: Runtime) -> tuple[str, ...]:
    """The links that ``BANDWIDTH=`` names; ``UsageError`` where one is none, or what it needs is not here."""
    if links := parse_bandwidths(text):
        if runtime is Runtime.PROCESS:
            raise UsageError(f"BANDWIDTH={text} needs RUNTIME=docker; RUNTIME=process has no images to pull.")
        require_namespaces()
        pulls.require_program()
        local.require_program()
    return links


def run_startup(settings: Settings, candidates: Sequence[Candidate], out: Path | None, console: Console) -> None:
    """Hold every candidate to the contract, start and pull it in rounds, print and write what came of it.

    ``FailedError`` once all is written where one did not start or was not pulled.
    """
    made, outcomes = conforming(candidates, console)
    run = _manifest(settings, made, outcomes)
    good = conforming_candidates(made.values(), outcomes)
    with hold_run_lock(run.id):
        summary = _measured(run, good, new_folder(out, "startup", run.id), console)
    verdicts = [(row.cell, row.verdict) for row in summary.starts] + [(row.cell, row.verdict) for row in summary.pulls]
    if bad := [cell for cell, verdict in verdicts if verdict in FAILED]:
        raise FailedError(f"{len(bad)} cells have no valid number: {', '.join(bad)}.")


def _measured(run: StartupRun, candidates: Mapping[str, Candidate], folder: Path, console: Console) -> StartupSummary:
    """What the rounds come to; written and printed also where they were broken off."""
    write(folder / "run.json", run)
    starts: list[Start] = []
    pulls: list[Pull] = []
    try:
        _start_rounds(run, candidates, folder, starts, console)
        _pull_rounds(run, folder, pulls, console)
    finally:
        summary = summarise(run, starts, pulls)
        write(folder / "summary.json", summary)
        if run.cells:
            console.print(startup_report.starts_table(run, summary))
        if run.pulls:
            console.print(startup_report.pulls_table(run, summary))
        for note in startup_report.notes(run, summary):
            console.print(f"  {note}", soft_wrap=True, markup=False)
        console.print(f"written to {folder}")
    return summary


def _manifest(settings: Settings, made: Mapping[str, Candidate], outcomes: Mapping[str, Conformance]) -> StartupRun:
    cold_tags = [one.tag for one in made.values() if one.tag] if "cold" in settings.caches else []
    fields: dict[str, Any] = head(runtime=settings.runtime, rounds=settings.rounds, seed=settings.seed)
    return StartupRun(
        **fields,
        cold_by=cold_method(cold_tags[0]) if cold_tags else None,
        cells=[
            StartCell(
                name=f"{name} {size.vcpu:g} vCPU {cache}",
                stack=cell_of(one, outcomes[name]),
                vcpu=size.vcpu,
                cache=cache,
            )
            for name, one in made.items()
            for size in settings.sizes
            for cache in settings.caches
        ],
        pulls=[
            PullCell(name=f"{name} over {link}", image=one.tag, link=link)
            for name, one in made.items()
            for link in settings.bandwidths
            if one.tag
        ],
    )


def _start_rounds(
    run: StartupRun, candidates: Mapping[str, Candidate], folder: Path, starts: list[Start], console: Console
) -> None:
    cells = {cell.name: cell for cell in run.cells if cell.stack.name in candidates}
    for step, display in _each("startup", tuple(cells), run, console):
        cell = cells[step.cell]
        start = _start(Start(**_place(run, step)), candidates[cell.stack.name], cell)
        starts.append(start)
        append(folder / "starts.jsonl", start)
        display.done(f"{step.cell}: {start.error or f'{start.total_s:.3f} s, {start.cpu_s:.3f} CPU-seconds'}")


def _start(blank: Start, candidate: Candidate, cell: StartCell) -> Start:
    """One start; a warm one also with what the interpreter and the import take."""
    size = Size(vcpu=cell.vcpu)
    cores = split_cores(cell.vcpu)
    with pinned(cores):
        start = observe(blank, candidate, size, cores=cores, cold=cell.cache == "cold")
        if cell.cache == "warm" and (start.disk_read_bytes or 0) > WARM_BYTES:
            # Another stack's cold start has put out files of layers they share: this one was not warm, the next is.
            start = observe(blank, candidate, size, cores=cores, cold=False)
    if start.error or cell.cache == "cold":
        return start
    try:
        interpreter, app_import = split(candidate, size, cores.server)
    except FailedError as error:
        return replace(start, error=str(error))
    return replace(start, interpreter=interpreter, app_import=app_import)


def _pull_rounds(run: StartupRun, folder: Path, pulls: list[Pull], console: Console) -> None:
    if not run.pulls:
        return
    cells = {cell.name: cell for cell in run.pulls}
    console.print("pushing into a registry and starting an empty engine for the pulls")
    with puller(iter(dict.fromkeys(cell.image for cell in run.pulls))) as ready:
        for step, display in _each("pull", tuple(cells), run, console):
            pull = ready.measure(Pull(**_place(run, step)), cells[step.cell])
            pulls.append(pull)
            append(folder / "pulls.jsonl", pull)
            display.done(f"{step.cell}: {pull.error or f'{pull.total_s:.2f} s'}")


def _each(what: str, cells: Sequence[str], run: StartupRun, console: Console) -> Iterator[tuple[Step, LiveProgress]]:
    planned = list(steps(cells, run.rounds, run.seed))
    with live_progress(what, len(planned), console) as display:
        for step in planned:
            display.start(f"round {step.round}/{run.rounds} {step.cell}")
            yield step, display


def _place(run: StartupRun, step: Step) -> dict[str, Any]:
    return {"run": run.id, "round": step.round, "position": step.position, "cell": step.cell,
            "started_at": datetime.now(UTC)}  # fmt: skip
