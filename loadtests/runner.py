"""A run: every candidate, in every round on a fresh server, in the planned order; each window on disk at once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console

from common.candidates import Candidate
from common.conforming import conform_all
from common.errors import FailedError
from common.live import live
from common.matrix import Size
from common.records import Run, Summary, Verdict, Window
from loadtests import report
from loadtests.analysis import requests_per_cpu_s, summarise
from loadtests.manifest import Settings, manifest
from loadtests.plan import Step, steps
from loadtests.results import RESULTS, Results
from loadtests.throughput import GeneratorError, measure

FAILED = frozenset({Verdict.NONCONFORMING, Verdict.NOT_MEASURED, Verdict.SERVER_DIED, Verdict.WRONG_ANSWERS})
"""Verdicts that make a run end with a failure: the stack is at fault, not how it was measured."""


def run_loadtest(settings: Settings, candidates: Sequence[Candidate], out: Path | None, console: Console) -> None:
    """Hold every candidate to the contract, measure those that conform, print and write what came of it.

    ``FailedError`` once all is written where a candidate has no valid number.
    """
    outcomes = conform_all(candidates, console)
    made = [one for one in candidates if one.name in outcomes]
    run = manifest(settings, made, outcomes)
    results = Results.create(out or RESULTS / run.id, run)
    try:
        measure_rounds(run, {one.name: one for one in made if not outcomes[one.name].failed}, results, console)
    finally:
        summary = summarise(run, results.windows())
        results.finish(summary)
        print_summary(run, summary, console)
        console.print(f"written to {results.folder}")
    if bad := [row.cell for row in summary.cells if row.verdict in FAILED]:
        raise FailedError(f"{len(bad)} of {len(summary.cells)} stacks have no valid number: {', '.join(bad)}.")


def print_summary(run: Run, summary: Summary, console: Console) -> None:
    """The table, and what has to be known beside it."""
    console.print(report.table(run, summary))
    for note in report.notes(run, summary):
        console.print(f"  {note}", soft_wrap=True, markup=False)


def measure_rounds(run: Run, candidates: Mapping[str, Candidate], results: Results, console: Console) -> None:
    """Make and write every window of ``run`` for those of its cells that ``candidates`` holds."""
    planned = list(steps(tuple(candidates), run.rounds, run.seed))
    with live(run.scenario, len(planned), console) as display:
        for step in planned:
            display.start(f"round {step.round}/{run.rounds} {step.cell}")
            window = measure_window(run, step, candidates[step.cell])
            results.add(window)
            display.done(_line(run, window))


def measure_window(run: Run, step: Step, candidate: Candidate) -> Window:
    """One window on a fresh server. What goes wrong with the server is the window's, and does not end the run.

    ``GeneratorError`` where Locust fails though the server is well.
    """
    window = Window(run=run.id, round=step.round, position=step.position, cell=step.cell, started_at=datetime.now(UTC))
    size = Size(vcpu=run.vcpu, memory_bytes=run.memory_bytes)
    try:
        with candidate.serve(size, cores=run.server_cores) as running:
            try:
                load = measure(running, run)
            except GeneratorError as error:
                if (how := running.ended()) is None:
                    raise
                raise FailedError(how) from error
            return replace(window, load=load, error=running.ended() or load.server_gone)
    except GeneratorError:
        raise
    except FailedError as error:
        return replace(window, error=str(error))


def _line(run: Run, window: Window) -> str:
    value = requests_per_cpu_s(window.load)
    rate = window.error or ("nothing was answered" if value is None else f"{value:,.0f} req/s per vCPU")
    return f"round {window.round}/{run.rounds} {window.cell}: {rate}"
