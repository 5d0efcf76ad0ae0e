"""Starts of Fargate tasks: ``make startup RUNTIME=fargate``, and ``make experiment``, which varies one factor."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import product

from rich.console import Console, RenderableType
from typing_extensions import override

from common.aws.settings import FargateSettings
from common.aws.spending import MIB, parse_fargate_size, with_minimum_memory
from common.aws.tasks import task_definition
from common.catalog.sizes import Runtime, Size
from common.conformance.checking import LONGEST_S, SIZE, conform_all, require_some_conforming
from common.errors import BenchmarkError, FailedError, UsageError
from common.records.figure import Figure
from common.records.run import Cell, Conformance
from common.records.schema import Visit
from common.runtimes.candidates import Candidate
from common.runtimes.fargate import START_DEADLINE_S
from common.runtimes.preparation import PlannedServer, print_dry_run, require_contrast, require_pushed, sweep
from common.words import counted
from loadtests.analysis.values import conforms
from loadtests.campaign.experiment import Experiment, Remaining, Visitor, remaining_of
from loadtests.campaign.manifest import RunIdentity, cell_of, run_fields
from loadtests.campaign.plan import PlannedVisit, planned_visits
from loadtests.experiments.fargate import report
from loadtests.experiments.fargate.records import FargateCell, FargateRun, FargateSummary, TaskStart
from loadtests.experiments.fargate.report import STARTUP
from loadtests.experiments.fargate.visit import SETTLE_S, measure_task

TASKS = 10
"""The default number of tasks of each cell."""


class Factor(StrEnum):
    """The factor that an experiment varies."""

    IMAGE_SIZE = "image-size"
    VCPU = "vcpu"
    ENDPOINTS = "endpoints"

    @property
    def images(self) -> str:
        """``IMAGE=`` unless the user names another."""
        return "all" if self is Factor.IMAGE_SIZE else "fat"

    @property
    def vcpus(self) -> str:
        """``VCPU=`` unless the user names another."""
        return "0.25,0.5,1,2,4" if self is Factor.VCPU else "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The plan of a cell: tasks that differ from those of other cells in one thing."""

    name: str
    candidate: Candidate
    size: Size
    subnets: str
    groups: str
    conformance: Conformance | None = None

    def cell(self) -> FargateCell:
        """Return its record."""
        assert self.candidate.fargate is not None
        assert self.candidate.tag is not None
        return FargateCell(
            name=self.name,
            stack=cell_of(self.candidate, self.conformance),
            image=self.candidate.fargate.image(self.candidate.tag),
            size=self.size,
            subnets=self.subnets,
            security_groups=self.groups,
        )


class TaskStarts(Experiment[FargateRun, FargateSummary]):
    """Starts of tasks, one of each cell in a round: every stack at every size, or one factor varied."""

    command = "experiment"
    run_type = FargateRun
    visit_types = (TaskStart,)
    summary_type = FargateSummary
    is_reported = False

    def __init__(self, run: FargateRun) -> None:
        super().__init__(run)
        if run.name == STARTUP:
            self.command = "startup"

    @override
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        names = [cell.name for cell in self.run.cells if cell not in self._nonconforming()]
        return remaining_of(planned_visits(TaskStart, names, self.run.rounds, self.run.seed), visits)

    @override
    @contextmanager
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> Iterator[Visitor]:
        cells = {cell.name: cell for cell in self.run.cells}
        settings = settings_of(subjects.values())
        with ExitStack() as stack:
            definitions: Mapping[tuple[str, Size], str] = {
                (cell.image, cell.size): stack.enter_context(task_definition(settings, cell.image, cell.size))
                for cell in {(cell.image, cell.size): cell for cell in self.run.cells}.values()
            }

            def visit(batch: Sequence[PlannedVisit]) -> Sequence[Visit]:
                (planned,) = batch
                cell = cells[planned.cell]
                blank = planned.record(TaskStart, self.run.id)
                return [measure_task(blank, cell, settings, definitions[cell.image, cell.size])]

            yield visit

    @override
    def summarise(self, visits: Sequence[Visit]) -> FargateSummary:
        return report.summarise(self.run, [visit for visit in visits if isinstance(visit, TaskStart)])

    @override
    def tables(self, summary: FargateSummary) -> Iterable[RenderableType]:
        return (report.table(self.run, summary),)

    @override
    def notes(self, summary: FargateSummary) -> Iterable[str]:
        return report.notes(self.run, summary)

    @override
    def figures(self, summary: FargateSummary) -> Iterable[Figure]:
        return report.figures(self.run, summary)

    @override
    def describe(self, visit: Visit) -> str:
        assert isinstance(visit, TaskStart)
        return "no createdAt from ECS" if visit.total_s is None else f"{visit.total_s:.1f} s to the first 200"

    @override
    def failure(self, summary: FargateSummary) -> BenchmarkError | None:
        if failed := sum(cell.failed for cell in summary.cells):
            return FailedError(f"{counted(failed, 'task')} did not start; the run's visits say why.")
        if names := [cell.name for cell in self._nonconforming()]:
            return FailedError(f"{len(names)} of {len(self.run.cells)} cells do not conform: {', '.join(names)}.")
        return None

    @override
    def stacks(self) -> Iterable[Cell]:
        return {cell.stack.name: cell.stack for cell in self.run.cells}.values()

    @override
    def servers_left(self, visits: Sequence[Visit], subjects: Mapping[str, Candidate]) -> Sequence[PlannedServer]:
        made = {(visit.round, visit.cell) for visit in visits}
        return [
            PlannedServer(candidate=subjects[cell.stack.name], size=cell.size, needed_s=SETTLE_S)
            for cell in self.run.cells
            for number in range(1, self.run.rounds + 1)
            if (number, cell.name) not in made
        ]

    def _nonconforming(self) -> list[FargateCell]:
        return [cell for cell in self.run.cells if not conforms(cell.stack)]


def begin_fargate_startup(
    candidates: Sequence[Candidate], sizes: Sequence[Size], identity: RunIdentity, *, tasks: int, messages: Console
) -> tuple[TaskStarts, dict[str, Candidate]]:
    """Prepare starts of every stack at every size, after checking a task of each."""
    outcomes = conform_all(candidates, messages)
    require_some_conforming(candidates, outcomes)
    made = {candidate.name: candidate for candidate in candidates if candidate.name in outcomes}
    run = _run(STARTUP, startup_variants(list(made.values()), sizes, outcomes), identity, tasks)
    return TaskStarts(run), made


def begin_factor(
    factor: Factor, variants: Sequence[Variant], identity: RunIdentity, *, tasks: int, messages: Console
) -> tuple[TaskStarts, dict[str, Candidate]]:
    """Prepare an experiment.

    ``UsageError`` if an image is missing or the networks do not differ.
    """
    say = partial(messages.print, soft_wrap=True)
    settings = settings_of(variant.candidate for variant in variants)
    if factor is Factor.ENDPOINTS:
        require_contrast(settings.cloud, variants[0].subnets, variants[1].subnets)
    sweep(settings, say)
    subjects = {variant.candidate.name: variant.candidate for variant in variants}
    require_pushed(settings, subjects.values())
    return TaskStarts(_run(factor, variants, identity, tasks)), subjects


def approve_starts(
    variants: Sequence[Variant], tasks: int, messages: Console, *, conformance: Sequence[Candidate] = ()
) -> bool:
    """Return whether to start; ``UsageError`` if the tasks may cost more than the spending limit.

    ``conformance`` are checked against the contract first. With ``DRY_RUN=1`` every call is printed and ``False``
    returned.
    """
    settings = settings_of(variant.candidate for variant in variants)
    suites = [PlannedServer(candidate=candidate, size=SIZE, needed_s=LONGEST_S) for candidate in conformance]
    starts = [(variant.size, START_DEADLINE_S + SETTLE_S) for variant in variants] * tasks
    suite_tasks = [(with_minimum_memory(SIZE), START_DEADLINE_S + LONGEST_S) for _ in suites]
    settings.budget.approve([*suite_tasks, *starts], partial(messages.print, soft_wrap=True))
    if settings.dry_run:
        print_dry_run(suites)
        _rehearse(variants, tasks, messages)
    return not settings.dry_run


def startup_variants(
    candidates: Sequence[Candidate], sizes: Sequence[Size], outcomes: Mapping[str, Conformance]
) -> tuple[Variant, ...]:
    """Return every candidate at every size."""
    settings = settings_of(candidates)
    return tuple(
        Variant(
            name=f"{candidate.name} {describe_size(size)}",
            candidate=candidate,
            size=size,
            subnets=settings.subnets,
            groups=settings.security_groups,
            conformance=outcomes.get(candidate.name),
        )
        for candidate, size in product(candidates, sizes)
    )


def factor_variants(
    factor: Factor,
    candidates: Sequence[Candidate],
    *,
    vcpus: str,
    memory: str | None,
    endpoint_subnets: str,
    endpoint_security_groups: str,
) -> tuple[Variant, ...]:
    """Return the cells that a factor compares; ``UsageError`` for fewer than two, or more than one factor."""
    settings = settings_of(candidates)
    sizes = [parse_fargate_size(vcpu, memory) for vcpu in vcpus.split(",")]
    if factor is Factor.ENDPOINTS and not endpoint_subnets:
        raise UsageError("ENDPOINT_SUBNETS= is not set; must be subnets of a VPC with endpoints for ECR and S3.")
    networks = {"without endpoints": (settings.subnets, settings.security_groups)}
    if factor is Factor.ENDPOINTS:
        networks["with endpoints"] = (endpoint_subnets, endpoint_security_groups)
    compared = {Factor.IMAGE_SIZE: len(candidates), Factor.VCPU: len(set(sizes)), Factor.ENDPOINTS: len(networks)}
    found = tuple(
        Variant(
            name={
                Factor.IMAGE_SIZE: candidate.name,
                Factor.VCPU: describe_size(size),
                Factor.ENDPOINTS: network,
            }[factor],
            candidate=candidate,
            size=size,
            subnets=subnets,
            groups=groups,
        )
        for candidate, size, (network, (subnets, groups)) in product(candidates, sizes, networks.items())
    )
    if compared[factor] != len(found) or len(found) < 2:  # noqa: PLR2004 -- a comparison needs two
        raise UsageError(
            f"NAME={factor} with {len(candidates)} stacks and images and VCPU={vcpus} compares nothing: "
            "must be several values of the factor, and one of everything else."
        )
    return found


def settings_of(candidates: Iterable[Candidate]) -> FargateSettings:
    """Return the Fargate settings, which all candidates share."""
    settings = next(iter(candidates)).fargate
    assert settings is not None
    return settings


def describe_size(size: Size) -> str:
    """Return a size as tables name it."""
    assert size.memory_bytes is not None
    return f"{size.vcpu:g} vCPU / {size.memory_bytes // MIB} MiB"


def _run(name: str, variants: Sequence[Variant], identity: RunIdentity, tasks: int) -> FargateRun:
    settings = settings_of(variant.candidate for variant in variants)
    return FargateRun(
        **run_fields(identity, runtime=Runtime.FARGATE, rounds=tasks),
        name=name,
        region=settings.region,
        architecture=settings.cpu_architecture,
        public=settings.public,
        prices=settings.budget.rates.dated,
        cells=[variant.cell() for variant in variants],
    )


def _rehearse(variants: Sequence[Variant], tasks: int, messages: Console) -> None:
    experiment = TaskStarts(_run(STARTUP, variants, RunIdentity.new(STARTUP, 0), tasks))
    subjects = {variant.candidate.name: variant.candidate for variant in variants}
    with experiment.visiting(subjects, messages) as visit:
        for planned in planned_visits(TaskStart, [variant.name for variant in variants], tasks, 0):
            visit([planned])
