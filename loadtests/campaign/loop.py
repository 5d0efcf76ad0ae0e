"""The loop that carries out every run: make a visit, record it on disk, repeat; then print the summary."""

import errno
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from common.catalog.stacks import make_command
from common.console import LiveProgress, Terminal, format_clock, live_progress
from common.engine.client import engine_failure_named
from common.engine.ownership import clear_local_engine
from common.errors import BenchmarkError, FailedError, OutOfTimeError
from common.host.run_lock import hold_run_lock
from common.records.schema import Visit
from common.runtimes.candidates import Candidate
from common.tables import Form, as_json
from common.words import counted, first_names
from loadtests.campaign.experiment import Experiment, SummaryType, expected_s
from loadtests.campaign.manifest import RunIdentity
from loadtests.campaign.parameters import RunParameters
from loadtests.campaign.plan import PlannedVisit
from loadtests.campaign.store import RESULTS, RunFolder, require_unused

EXHAUSTED = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
)
"""The errors of a system that has no room, memory, open files or processes left, or of a failing disk."""
NAMED = 5
"""The largest number of containers that a warning lists."""

Begin = Callable[[RunIdentity], tuple[Experiment[Any, SummaryType], Mapping[str, Candidate]]]
"""Prepares a run; returns its experiment, and the candidates to bring up by cell name."""


def _raise(failure: BenchmarkError) -> None:
    raise failure


@contextmanager
def hold_machine(run_id: str, terminal: Terminal) -> Iterator[None]:
    """Hold the machine's run lock, and begin by removing containers that killed commands have left.

    They would take CPU time from servers. Those whose owner cannot be seen from here stay, and a warning lists them.
    """
    with hold_run_lock(run_id):
        if others := clear_local_engine():
            terminal.say(
                f"warning: {counted(len(others), 'container')} of commands in other containers or on other machines "
                f"may take CPU time from servers: {first_names(others, NAMED)}. If nothing uses them, remove them with "
                "docker rm --force."
            )
        yield


def start(
    name: str,
    begin: Begin[SummaryType],
    run: RunParameters,
    terminal: Terminal,
    *,
    on_failure: Callable[[BenchmarkError], None] = _raise,
) -> SummaryType:
    """Carry out a new run while holding the machine's run lock, and return its summary.

    ``on_failure`` is called if the run is complete and its numbers are not valid. Raise ``UsageError`` if another run
    is in progress or ``OUT=`` is not an empty folder that can be written to, and the errors of ``carry_out``.
    """
    identity = RunIdentity.new(name, run.seed)
    place = run.out or RESULTS / identity.id
    require_unused(place, named=str(place) if run.out is None else f"OUT={run.out}")
    with hold_machine(identity.id, terminal):
        experiment, subjects = begin(identity)
        folder = RunFolder.create(place, experiment.run)
        return carry_out(experiment, subjects, folder, terminal, ends_at_s=run.ends_at_s, on_failure=on_failure)


def carry_out(
    experiment: Experiment[Any, SummaryType],
    subjects: Mapping[str, Candidate],
    folder: RunFolder,
    terminal: Terminal,
    *,
    ends_at_s: float = math.inf,
    on_failure: Callable[[BenchmarkError], None] = _raise,
) -> SummaryType:
    """Make every remaining visit; then write, print and return the summary, even if a visit fails.

    ``on_failure`` is called after everything is written, if the numbers are not valid. Raise ``OutOfTimeError`` rather
    than begin a visit that would end after ``ends_at_s``, a time of ``time.monotonic``, if it took as long as those so
    far on average. Raise ``FailedError`` if a record cannot be written or the Docker engine fails.
    """
    try:
        with _reporting_exhaustion(folder), engine_failure_named():
            _make_visits(experiment, subjects, folder, terminal, ends_at_s)
    except (BenchmarkError, KeyboardInterrupt):
        if experiment.why_not_resumable is None:
            terminal.say(f"interrupted; resume with: {make_command(experiment.command, {'RESUME': folder.name})}")
        raise
    finally:
        summary = experiment.summarise(folder.visits())
        try:
            folder.finish(summary)
        finally:
            present(experiment, summary, terminal)
            terminal.say(f"written to {folder.folder}")
    for warning in experiment.warnings(summary):
        terminal.say(f"warning: {warning}")
    if (failure := experiment.failure(summary)) is not None:
        on_failure(failure)
    return summary


def present(experiment: Experiment[Any, SummaryType], summary: SummaryType, terminal: Terminal) -> None:
    """Print a summary: its tables, what has to be known beside them, its conclusions; as JSON the whole record."""
    if terminal.form is Form.JSON:
        terminal.write(as_json(summary))
        return
    for table in experiment.tables(summary):
        terminal.show(table)
    for note in experiment.notes(summary):
        terminal.note(note)
    conclude(experiment.conclusions(summary), terminal)


def conclude(sentences: Iterable[str], terminal: Terminal) -> None:
    """Print the sentences that results end with; as messages where only data is asked for."""
    for sentence in sentences:
        if terminal.form is Form.CSV:
            terminal.say(sentence)
        else:
            terminal.results.print(sentence, soft_wrap=True)


@contextmanager
def _reporting_exhaustion(folder: RunFolder) -> Iterator[None]:
    """Turn the error of a full disk or an exhausted system, whatever was being done, into a ``FailedError``."""
    try:
        yield
    except OSError as error:
        if error.errno not in EXHAUSTED:
            raise
        if error.filename is not None:
            raise folder.unwritable(str(error.filename), error) from error
        raise FailedError(
            f"the system is out of resources: {error.strerror}. Earlier measurements stay readable; "
            "resume the run later."
        ) from error


def _make_visits(
    experiment: Experiment[Any, Any],
    subjects: Mapping[str, Candidate],
    folder: RunFolder,
    terminal: Terminal,
    ends_at_s: float,
) -> None:
    visits = folder.visits()
    remaining = experiment.remaining(visits)
    if (seconds := remaining.left_s) is not None and remaining.batch:
        terminal.say(f"{counted(remaining.count, 'visit')}, about {format_clock(seconds)}")
    with (
        live_progress(experiment.command, remaining.count, terminal.messages) as display,
        experiment.visiting(subjects, terminal.messages) as visit,
    ):
        since_s = time.perf_counter()
        while remaining.batch:
            _require_time(remaining.batch, visits, ends_at_s)
            first = remaining.batch[0]
            _show(experiment, visits, display)
            display.start(
                f"round {first.round}/{experiment.run.rounds} {', '.join(planned.cell for planned in remaining.batch)}"
            )
            made = visit(remaining.batch)
            now_s = time.perf_counter()
            for record in made:
                timed = replace(record, took_s=(now_s - since_s) / len(made))
                folder.add(timed)
                visits.append(timed)
                display.done(_line(experiment, timed))
            since_s = now_s
            remaining = experiment.remaining(visits)
            display.expect(display.made + remaining.count, remaining.left_s)
            if not remaining.batch or remaining.batch[0].round != first.round:
                _report_round(experiment, visits, terminal)
    terminal.say(f"completed: {remaining.completion_reason}")


def _require_time(batch: Sequence[PlannedVisit], visits: Sequence[Visit], ends_at_s: float) -> None:
    if time.monotonic() + (expected_s(batch, visits) or 0.0) > ends_at_s:
        raise OutOfTimeError("out of time")


def _show(experiment: Experiment[Any, Any], visits: list[Visit], display: LiveProgress) -> None:
    if display.console.is_terminal and (table := experiment.table_so_far(visits)) is not None:
        display.show(table)


def _report_round(experiment: Experiment[Any, Any], visits: list[Visit], terminal: Terminal) -> None:
    if (summary := experiment.round_summary(visits)) is not None:
        terminal.say(summary)


def _line(experiment: Experiment[Any, Any], visit: Visit) -> str:
    place = f"round {visit.round}/{experiment.run.rounds}{f' {visit.cell}' if visit.cell else ''}"
    return f"{place}: {visit.error or experiment.describe(visit)}"
