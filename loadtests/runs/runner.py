"""A run: every candidate, in every round on a fresh server, in the planned order; each window on disk at once."""

import errno
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console

from common.catalog.sizes import Size
from common.conformance.candidates import conform_all
from common.console import LiveProgress, format_clock, live_progress
from common.errors import FailedError, GeneratorBoundError
from common.host.run_lock import hold_run_lock
from common.records.run import Run
from common.records.summary import Decision, Summary, Verdict
from common.records.window import Window
from common.runtimes.candidates import Candidate, Runtime
from loadtests.analysis.dropping import HOPELESS, ROUNDS, pairs_of
from loadtests.analysis.summary import summarise
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.generator.ceiling import ceiling
from loadtests.runs import report
from loadtests.runs.canary import sing
from loadtests.runs.duet import blank, measure_together
from loadtests.runs.manifest import Identity, Settings, manifest
from loadtests.runs.plan import Step
from loadtests.runs.progress import Progress, pairs_at_look, progress
from loadtests.runs.results import RESULTS, Results
from loadtests.runs.resuming import Resumed
from loadtests.windows.generator import GeneratorError
from loadtests.windows.tools import measure

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def run_loadtest(settings: Settings, candidates: Sequence[Candidate], out: Path | None, console: Console) -> None:
    """Hold every candidate to the contract, measure those that conform, print and write what came of it.

    ``FailedError`` once all is written where a candidate has no valid number.
    """
    identity = Identity.of(settings.seed)
    with hold_run_lock(identity.id):
        outcomes = conform_all(candidates, console)
        made = [one for one in candidates if one.name in outcomes]
        run = manifest(settings, made, outcomes, identity)
        run = replace(run, ceiling=ceiling(run))
        results = Results.create(out or RESULTS / run.id, run)
        finish(run, {one.name: one for one in made}, results, console)


def resume_run(resumed: Resumed, console: Console) -> None:
    """Go on with a run where it was ended, to the same end; errors as ``run_loadtest``."""
    with hold_run_lock(resumed.run.id):
        run, candidates = resumed.continued(console)
        finish(run, candidates, resumed.results, console)


def finish(run: Run, candidates: Mapping[str, Candidate], results: Results, console: Console) -> None:
    """Make the windows that ``run`` has not made yet, print and write what they amount to, however this ends."""
    try:
        measure_rounds(run, candidates, results, console)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise results.unwritable(str(error.filename or "a temporary file"), error) from error
    except (FailedError, KeyboardInterrupt):
        if run.runtime != Runtime.FARGATE:  # which is not gone on with
            console.print(f"ended early; go on with: {results.to_go_on}", soft_wrap=True, markup=False)
        raise
    finally:
        windows = results.windows()
        summary = summarise(run, windows, results.canaries())
        if run.design != ROUNDS:
            summary = replace(summary, pairs=list(pairs_of(run, windows)))
        print_summary(run, summary, console)
        console.print(f"written to {results.folder}")
        results.finish(summary)
    if bad := [row.cell for row in summary.cells if row.verdict in HOPELESS]:
        raise FailedError(f"{len(bad)} of {len(summary.cells)} stacks have no valid number: {', '.join(bad)}.")
    if bound := [row.cell for row in summary.cells if Verdict.GENERATOR_BOUND in row.doubts]:
        raise GeneratorBoundError(f"the generator was the limit for {', '.join(bound)}: those numbers may be its own.")


def print_summary(run: Run, summary: Summary, console: Console) -> None:
    """The table, and what has to be known beside it."""
    console.print(report.table(run, summary))
    for note in report.notes(run, summary):
        console.print(f"  {note}", soft_wrap=True, markup=False)


def measure_rounds(run: Run, candidates: Mapping[str, Candidate], results: Results, console: Console) -> None:
    """Make and write every window that is still to be made; ``candidates`` by the names of their cells."""
    sources = {cell.name: candidates[cell.control_of or cell.name] for cell in run.cells}
    windows = results.windows()
    before, since_s = len(windows), time.perf_counter()
    now = progress(run, windows)
    with live_progress(run.scenario, now.windows_left, console) as display:
        while now.todo:
            _sing(run, now.todo[0].round, results)
            for steps in _at_a_time(run, now.todo):
                _show(run, windows, before, display)
                display.start(f"round {steps[0].round}/{run.rounds} {', '.join(step.cell for step in steps)}")
                made = _made(run, steps, sources)
                took_s, since_s = (time.perf_counter() - since_s) / len(made), time.perf_counter()
                for window in made:
                    results.add(replace(window, took_s=took_s))
                    windows.append(replace(window, took_s=took_s))
                    display.done(_line(run, window))
            now = progress(run, windows)
            console.print(_round_line(run, windows, now), soft_wrap=True, markup=False)
    console.print(f"ended: {now.ended}", soft_wrap=True, markup=False)


def _at_a_time(run: Run, todo: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """What is measured at once: the whole round in a duet, else one after the other."""
    if run.design == "duet":
        yield todo
    else:
        yield from ((step,) for step in todo)


def _made(run: Run, steps: Sequence[Step], sources: Mapping[str, Candidate]) -> list[Window]:
    if run.design == "duet":
        return measure_together(run, steps, sources)
    return [measure_window(run, step, sources[step.cell]) for step in steps]


def _sing(run: Run, number: int, results: Results) -> None:
    """The round's canary on the server's cores, where it has any here and a resumed run has not sung it already."""
    if run.server_cores and number not in {canary.round for canary in results.canaries()}:
        results.add_canary(sing(run.id, number, run.server_cores))


def measure_window(run: Run, step: Step, candidate: Candidate) -> Window:
    """One window on a fresh server. What goes wrong with the server is the window's, and does not end the run.

    ``GeneratorError`` where Locust fails though the server is well.
    """
    window = blank(run, step)
    size = Size(vcpu=run.vcpu, memory_bytes=run.memory_bytes)
    try:
        with candidate.serve(size, cores=run.server_cores) as running:
            try:
                load = measure(running, run, seed=run.seed + step.round)
            except GeneratorError as error:
                if (how := running.exit_reason()) is None:
                    raise
                raise FailedError(how) from error
            return replace(window, load=load, error=running.exit_reason() or load.server_gone)
    except GeneratorError:
        raise
    except FailedError as error:
        return replace(window, error=str(error))


def _show(run: Run, windows: Sequence[Window], before: int, display: LiveProgress) -> None:
    """The table so far and the time left, on a terminal; it costs some milliseconds between two windows."""
    if not display.console.is_terminal:
        return
    now = progress(run, windows)
    display.expect(len(windows) - before + now.windows_left, now.left_s)
    display.show(report.table_so_far(run, windows, pairs_at_look(run, windows), now.active))


def _round_line(run: Run, windows: Sequence[Window], now: Progress) -> str:
    pairs = pairs_at_look(run, windows)
    undecided = sum(pair.decision is Decision.UNDECIDED for pair in pairs or ())
    seen = "no look yet" if pairs is None else f"{undecided} of {len(pairs)} pairs undecided at the latest look"
    left = f", at most {format_clock(now.left_s)} left" if now.left_s else ""
    return f"round {windows[-1].round}: {seen}, {len(now.active)} cells go on{left}"


def _line(run: Run, window: Window) -> str:
    value = requests_per_cpu_s(window.load)
    if window.error or window.load is None or not window.load.requests:
        rate = window.error or "nothing was answered"
    elif value is None:
        rate = f"{window.load.requests / window.load.duration_s:,.0f} req/s by the clock"
    else:
        rate = f"{value:,.0f} req/s per vCPU"
    return f"round {window.round}/{run.rounds} {window.cell}: {rate}"
