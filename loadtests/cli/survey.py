"""``make survey``: every experiment on every stack, in order, unless its results are known or its budget is used up."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from cyclopts import Parameter, validators

from common.catalog.prices import load_prices
from common.catalog.pythons import python_series
from common.catalog.sizes import Runtime, Size
from common.cli.parameters import SizeParameters, StackParameters
from common.console import Terminal, format_clock
from common.errors import BenchmarkError, FailedError, OutOfTimeError, UsageError
from common.host.machine import revision
from common.records.figure import Figure, Subject, subject_of
from common.records.run import LoadRun, Run
from common.runtimes.candidates import Candidate, parse_size, require_local
from common.words import counted
from loadtests.board.columns import MEASURED
from loadtests.board.index import FigureIndex, known_figures, locks_of, selectors_of, subjects_of
from loadtests.board.rows import Row, board_rows
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.experiment import Experiment
from loadtests.campaign.parameters import RunParameters, StoppingParameters
from loadtests.campaign.plan import parse_duration
from loadtests.campaign.store import RESULTS, RunFolder, misfits_named, run_folders
from loadtests.cli import results
from loadtests.experiments.latency.command import latency
from loadtests.experiments.latency.records import LatencyRun
from loadtests.experiments.loadtest.command import loadtest
from loadtests.experiments.memory.command import memory
from loadtests.experiments.memory.records import MemoryRun
from loadtests.experiments.sizes.command import sizes
from loadtests.experiments.sizes.records import FootprintRun, Weighed
from loadtests.experiments.startup.command import startup
from loadtests.experiments.startup.records import StartupRun

ROUNDS = 5
"""The fewest that give valid start-up times and percentiles."""
MEMORY_ROUNDS = 3
NAME = "survey"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One experiment of a survey."""

    command: str
    stack_s: float
    """About how long one stack takes on two cores, conformance included, with the fewest rounds that give a number."""
    together: bool = False
    """Whether all stacks are measured as soon as one is, since they are compared with each other."""
    needs_image: bool = False


STEPS = (
    Step(command="sizes", stack_s=5, needs_image=True),
    Step(command="startup", stack_s=15),
    Step(command="memory", stack_s=50),
    Step(command="loadtest", stack_s=40, together=True),
    Step(command="latency", stack_s=190),
)
"""In the order in which later ones use what earlier ones leave: images, warm files, capacities."""


def lacking(step: Step, rows: Sequence[Row], is_current: Callable[[Figure], bool]) -> list[Subject]:
    """Return the stacks that a step has to measure: those without a figure, or whose figure is not of what is here.

    A figure is if its framework's lock is still the same and ``is_current`` says that nothing else has changed.
    """
    wanted = [row for row in rows if not step.needs_image or row.subject.image is not None]
    found = [row.subject for row in wanted if not _is_known(step, row, is_current)]
    return [row.subject for row in wanted] if found and step.together else found


def _is_known(step: Step, row: Row, is_current: Callable[[Figure], bool]) -> bool:
    figure = row.figures.get(MEASURED[step.command].key)
    return figure is not None and not row.is_outdated(figure) and is_current(figure)


def fitting(step: Step, subjects: Sequence[Subject], left_s: float) -> list[Subject]:
    """Return the stacks that can be measured in the time left; of those that are compared all, or none."""
    count = max(0, int(left_s // step.stack_s))
    return [] if step.together and count < len(subjects) else list(subjects[:count])


def needed_s(steps: Sequence[tuple[Step, Sequence[Subject]]]) -> float:
    """Return about how long some steps take."""
    return sum(step.stack_s * len(subjects) for step, subjects in steps)


class Selection(NamedTuple):
    """The image, the Python and the servers that select some stacks of a survey."""

    image: str | None
    python: str | None
    """``None`` for every Python of the survey."""
    servers: str


def selections(chosen: Sequence[Subject], every: Sequence[Subject], servers: str) -> dict[Selection, list[Subject]]:
    """Return the chosen stacks by the selection that names them and no others.

    A framework keeps every Python and ``servers``, which selected ``every`` stack of the survey, if all of its stacks
    are chosen, and ``servers`` on a Python all of whose stacks are.
    """
    found: dict[Selection, list[Subject]] = {}
    for subject in chosen:
        python = None
        alike = [other for other in every if (other.image, other.framework) == (subject.image, subject.framework)]
        if not all(other in chosen for other in alike):
            python, alike = subject.python, [other for other in alike if other.python == subject.python]
        own = [other.server for other in alike if other in chosen]
        asked = servers if len(own) == len(alike) else ",".join(dict.fromkeys(own))
        found.setdefault(Selection(subject.image, python, asked), []).append(subject)
    return found


def survey(
    stacks: StackParameters = StackParameters(),
    *,
    vcpu: Annotated[
        float, Parameter(validator=validators.Number(gt=0), help="Size at which stacks are measured, in vCPUs.")
    ] = 1.0,
    budget: Annotated[str, Parameter(help="Time for all of it, such as 20m or 1h.")] = "1h",
) -> None:
    """Measure everything that is not known of each stack yet, in order; then show it all and write the report."""
    terminal = Terminal()
    runtime = require_local(stacks.parse_runtime())
    size = parse_size(runtime, f"{vcpu:g}", None)
    stacks.candidates(runtime)  # refused before anything begins
    ends_at_s = time.monotonic() + parse_duration(budget, variable="BUDGET")
    asked = Survey(stacks=stacks, runtime=runtime, size=size, terminal=terminal, ends_at_s=ends_at_s)
    failures = asked.carry_out()
    results.show(stacks, vcpu=vcpu)
    results.report()
    if failures:
        raise FailedError(f"{len(failures)} of {len(STEPS)} steps ended in an error, the first: {failures[0]}")


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A survey of some stacks at one size.

    What was measured on this machine, of this revision and lock, is not measured again, so the same command goes on
    where an earlier one was interrupted or ran out of time.
    """

    stacks: StackParameters
    runtime: Runtime
    size: Size
    terminal: Terminal
    ends_at_s: float

    @property
    def _left_s(self) -> float:
        return self.ends_at_s - time.monotonic()

    def carry_out(self) -> list[str]:
        """Make every step that has something to measure and fits; return how those ended that failed."""
        failures = []
        for number, step in enumerate(STEPS, start=1):
            try:
                self._make(number, step)
            except OutOfTimeError:
                self.terminal.say(f"{step.command}: the budget is used up; make {NAME} again completes it")
            except BenchmarkError as error:
                self.terminal.say(f"{step.command}: {error}")
                failures.append(f"{step.command}: {error}")
        return failures

    def _make(self, number: int, step: Step) -> None:
        head = f"{NAME}: step {number} of {len(STEPS)}, {step.command}"
        unfinished = _unfinished(step.command, self._subjects(), self.size.vcpu)
        if unfinished is not None and self._left_s > 0:
            self.terminal.say(f"{head}: completes {unfinished.name}; {_left(self._left_s)}")
            try:
                run = RunParameters(resume=str(unfinished.folder), ends_at_s=self.ends_at_s)
                _COMMANDS[step.command].resume(run)
            except UsageError as error:  # such as a changed image: it would be refused again in the next survey
                self.terminal.say(f"{head}: measures anew, since {error}")
        subjects = self._lacking(step)
        if not subjects:
            self.terminal.say(f"{head}: everything is known")
            return
        left_s = self._left_s
        chosen = fitting(step, subjects, left_s)
        if len(chosen) < len(subjects):
            left_out = counted(len(subjects) - len(chosen), "stack")
            self.terminal.say(f"{head}: the budget is too short for {left_out}; make {NAME} again")
        if chosen:
            about = format_clock(needed_s([(step, chosen)]))
            self.terminal.say(f"{head}: {counted(len(chosen), 'stack')}, at least about {about}; {_left(left_s)}")
            self._measure(step, chosen, left_s)

    def _measure(self, step: Step, chosen: Sequence[Subject], left_s: float) -> None:
        later = [(later_step, self._lacking(later_step)) for later_step in STEPS[STEPS.index(step) + 1 :]]
        spare_s = max(step.stack_s * len(chosen), left_s - needed_s(later))
        selectors = selectors_of(self._candidates())
        for selection, some in selections(chosen, self._subjects(), self.stacks.server).items():
            share_s = spare_s * len(some) / len(chosen)
            asked = StackParameters(
                framework=",".join(dict.fromkeys(selectors[subject.framework] for subject in some)),
                server=selection.servers,
                image=selection.image,
                runtime=self.runtime,
                python=self._asked_for(selection.python),
            )
            run = RunParameters(ends_at_s=self.ends_at_s)
            _COMMANDS[step.command].measure(asked, f"{self.size.vcpu:g}", share_s, run)

    def _asked_for(self, python: str | None) -> str | None:
        """Return the names in ``PYTHON=`` that mean this Python, such as 3.13; all of them for ``None``."""
        named = self.stacks.python
        if named is None or python is None:
            return named
        return ",".join(name for name in named.split(",") if python_series(name.strip()) == python)

    def _lacking(self, step: Step) -> list[Subject]:
        figures = known_figures(FigureIndex(experiment_of))
        locks = locks_of(self._candidates())
        rows = board_rows(self._subjects(), figures, load_prices(), vcpu=self.size.vcpu, locks=locks)
        return lacking(step, rows, _is_of_this_revision)

    def _subjects(self) -> list[Subject]:
        return subjects_of(self._candidates(), [], any_image=False)

    def _candidates(self) -> list[Candidate]:
        candidates = self.stacks.candidates(self.runtime)
        return [candidate for candidate in candidates if candidate.unavailable is None]


@dataclass(frozen=True, kw_only=True)
class _Command:
    """The call by which a survey runs one of the measuring commands."""

    measure: Callable[[StackParameters, str, float, RunParameters], None]
    """Takes the stacks, the vCPUs, its share of the time in seconds, and the parameters that every run has."""
    resume: Callable[[RunParameters], None]


def _sizes(asked: StackParameters, _: str, __: float, run: RunParameters) -> None:
    sizes(
        framework=asked.framework,
        server=asked.server,
        image=asked.image or "all",
        python=asked.python,
        run=run,
    )


_COMMANDS: Mapping[str, _Command] = {
    "sizes": _Command(measure=_sizes, resume=lambda run: sizes(run=run)),
    "startup": _Command(
        measure=lambda asked, vcpu, _, run: startup(asked, vcpu=vcpu, cache="warm", rounds=ROUNDS, run=run),
        resume=lambda run: startup(run=run),
    ),
    "memory": _Command(
        measure=lambda asked, vcpu, _, run: memory(
            asked, vcpu=vcpu, workers=f"{Size(vcpu=float(vcpu)).workers}", rounds=MEMORY_ROUNDS, run=run
        ),
        resume=lambda run: memory(run=run),
    ),
    "loadtest": _Command(
        measure=lambda asked, vcpu, share_s, run: loadtest(
            asked, SizeParameters(vcpu=vcpu), stopping=StoppingParameters(budget=f"{share_s:.0f}s"), run=run
        ),
        resume=lambda run: loadtest(run=run),
    ),
    "latency": _Command(
        measure=lambda asked, vcpu, _, run: latency(asked, vcpu=vcpu, rounds=ROUNDS, run=run),
        resume=lambda run: latency(run=run),
    ),
}


def _unfinished(command: str, asked: Sequence[Subject], vcpu: float) -> RunFolder | None:
    """Return the newest run of a command that a survey of this revision began of stacks asked for, if it is unfinished.

    Runs that cannot be read or resumed are passed over.
    """
    for folder in run_folders():
        with suppress(UsageError), misfits_named(folder.folder):
            run = folder.run()
            begun = NAME in run.command_line[0].split() and run.revision == revision()
            experiment = experiment_of(run) if begun else None
            if experiment is None or experiment.command != command or experiment.why_not_resumable is not None:
                continue
            if _is_among(experiment, asked, vcpu):
                return None if experiment.is_complete(folder.visits()) else folder
    return None


def _is_among(experiment: Experiment[Any, Any], asked: Sequence[Subject], vcpu: float) -> bool:
    """Return whether a run measures only stacks that are asked for, at the size that is asked for."""
    return _vcpus(experiment.run) <= {vcpu} and set() < _measured(experiment) <= set(asked)


def _measured(experiment: Experiment[Any, Any]) -> set[Subject]:
    """Return the stacks that a run measures. Of ``make sizes``, only images count: libraries are weighed outside."""
    run, cells = experiment.run, experiment.stacks()
    if isinstance(run, FootprintRun):
        cells = [cell.stack for cell in run.cells if cell.weighs is Weighed.IMAGE]
    return {subject_of(run, cell) for cell in cells}


def _vcpus(run: Run) -> set[float]:
    """Return the vCPUs at which a run measures; none if it only weighs images."""
    match run:
        case LoadRun():
            return {run.setup.size.vcpu}
        case LatencyRun():
            return {point.size.vcpu for point in run.points}
        case StartupRun() | MemoryRun():
            return {cell.size.vcpu for cell in run.cells}
        case _:
            return set()


def _is_of_this_revision(figure: Figure) -> bool:
    with suppress(UsageError):
        return RunFolder(folder=RESULTS / figure.run).run().revision == revision()
    return False


def _left(left_s: float) -> str:
    return f"{format_clock(max(0.0, left_s))} of the budget left"
