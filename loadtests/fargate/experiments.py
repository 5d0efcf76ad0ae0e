"""The experiments of 2019 on Fargate, each one factor: what does one factor do to the start of a task."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console

from common.aws.readiness import require_contrast, require_images, sweep
from common.aws.settings import FargateSettings
from common.aws.sizes import MIB, parse_fargate_size
from common.aws.tasks import task_definition
from common.catalog.sizes import Size
from common.console import live_progress
from common.errors import FailedError, UsageError
from common.host.machine import revision
from common.records.fargate import Experiment, ExperimentCell, TaskStart
from common.records.run import Conformance
from common.runtimes.candidates import Candidate
from common.runtimes.fargate import START_DEADLINE_S, Started, started
from loadtests.fargate.folder import ExperimentFolder
from loadtests.fargate.report import print_summary
from loadtests.fargate.starts import startup_phases, summarise
from loadtests.runs.manifest import called
from loadtests.runs.plan import Step, steps
from loadtests.runs.results import RESULTS

SETTLE_S = 30.0
"""How long after its first answer ECS may take to say that a task runs."""


class Factor(StrEnum):
    """What an experiment asks."""

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
    """A cell of an experiment: tasks that differ from the other cells' in one thing."""

    name: str
    candidate: Candidate
    size: Size
    subnets: str
    groups: str
    conformance: Conformance | None = None

    @property
    def image(self) -> str:
        """What its tasks pull."""
        assert self.candidate.fargate is not None
        assert self.candidate.tag is not None
        return self.candidate.fargate.image(self.candidate.tag)


def variants(
    factor: Factor,
    candidates: Sequence[Candidate],
    *,
    vcpus: str,
    memory: str | None,
    fargate: FargateSettings,
    endpoint_subnets: str,
    endpoint_security_groups: str,
) -> tuple[Variant, ...]:
    """The cells that a factor compares; ``UsageError`` where there are fewer than two, or more than one factor."""
    sizes = [parse_fargate_size(one, memory) for one in vcpus.split(",")]
    if factor is Factor.ENDPOINTS and not endpoint_subnets:
        raise UsageError("ENDPOINT_SUBNETS= is not set. Accepted: subnets of a VPC with endpoints for ECR and S3.")
    where = {"without endpoints": (fargate.subnets, fargate.security_groups)}
    if factor is Factor.ENDPOINTS:
        where["with endpoints"] = (endpoint_subnets, endpoint_security_groups)
    compared = {Factor.IMAGE_SIZE: len(candidates), Factor.VCPU: len(set(sizes)), Factor.ENDPOINTS: len(where)}
    found = tuple(
        Variant(
            name={Factor.IMAGE_SIZE: candidate.name, Factor.VCPU: words(size), Factor.ENDPOINTS: network}[factor],
            candidate=candidate,
            size=size,
            subnets=subnets,
            groups=groups,
        )
        for candidate, size, (network, (subnets, groups)) in product(candidates, sizes, where.items())
    )
    if compared[factor] != len(found) or len(found) < 2:  # noqa: PLR2004 -- a comparison needs two
        raise UsageError(
            f"NAME={factor} with {len(candidates)} stacks and images and VCPU={vcpus} is no comparison. "
            f"Accepted: several of what it asks about, and one of everything else."
        )
    return found


def run_experiment(
    factor: Factor,
    cells: Sequence[Variant],
    fargate: FargateSettings,
    *,
    tasks: int,
    seed: int | None,
    out: Path | None,
    console: Console,
) -> None:  # fmt: skip
    """Start every cell's tasks in shuffled rounds; each is on disk before the next. Prints and writes what came of it.

    ``UsageError`` before anything is started where it may cost more than the ceiling; ``FailedError`` at the end where
    tasks did not start. With ``DRY_RUN=1`` each call is printed and none made.
    """
    say = partial(console.print, soft_wrap=True, markup=False)
    fargate.budget.approve(lifetimes([cell.size for cell in cells], tasks), say)
    if factor is Factor.ENDPOINTS:
        require_contrast(fargate.cloud, cells[0].subnets, cells[1].subnets)
    sweep(fargate, say)
    require_images(fargate, [cell.candidate.tag for cell in cells if cell.candidate.tag is not None])
    experiment = manifest(factor, cells, fargate, tasks, seed)
    carry_out(experiment, cells, fargate, out or RESULTS / experiment.id, console)


def lifetimes(sizes: Iterable[Size], tasks: int) -> list[tuple[Size, float]]:
    """What the tasks of cells of these sizes are, and how many seconds each lives at most."""
    return [(size, START_DEADLINE_S + SETTLE_S) for size in sizes for _ in range(tasks)]


def carry_out(
    experiment: Experiment, cells: Sequence[Variant], fargate: FargateSettings, where: Path, console: Console
) -> None:
    """Make every start, write and print what came of it; ``FailedError`` once all is written where one failed."""
    say = partial(console.print, soft_wrap=True, markup=False)
    planned = list(steps([cell.name for cell in cells], experiment.tasks, experiment.seed))
    if fargate.dry_run:
        for _ in starts(experiment, planned, cells, fargate):
            pass
        return
    folder = ExperimentFolder.create(where, experiment)
    try:
        with live_progress(experiment.name, len(planned), console) as display:
            for start in starts(experiment, planned, cells, fargate, display.start):
                folder.add(start)
                display.done(_line(experiment, start))
    finally:
        summary = summarise(experiment, folder.starts())
        folder.finish(summary)
        print_summary(experiment, summary, console)
        say(f"written to {folder.folder}")
    if failed := sum(cell.failed for cell in summary.cells):
        raise FailedError(f"{failed} of {len(planned)} tasks did not start; {folder.folder} says why.")


def manifest(name: str, cells: Sequence[Variant], fargate: FargateSettings, tasks: int, seed: int | None) -> Experiment:
    """The record of an experiment that begins now."""
    now = datetime.now(UTC)
    seed = secrets.randbelow(2**31) if seed is None else seed
    return Experiment(
        id=f"{now:%Y%m%dT%H%M%SZ}-{name}-{seed}",
        name=name,
        started_at=now,
        revision=revision(),
        command_line=[called()],
        seed=seed,
        tasks=tasks,
        region=fargate.region,
        architecture=fargate.cpu_architecture,
        public=fargate.public,
        prices=fargate.budget.rates.dated,
        cells=[_record(cell) for cell in cells],
    )


def starts(
    experiment: Experiment, planned: Sequence[Step], cells: Sequence[Variant], fargate: FargateSettings,
    begin: Callable[[str], None] = lambda _: None,
) -> Iterator[TaskStart]:  # fmt: skip
    """Every planned start in order. One that fails is a record too, unless it is us or the budget that fails."""
    by_name = {cell.name: cell for cell in cells}
    with ExitStack() as stack:
        definitions: Mapping[tuple[str, Size], str] = {
            (cell.image, cell.size): stack.enter_context(task_definition(fargate, cell.image, cell.size))
            for cell in {(cell.image, cell.size): cell for cell in cells}.values()
        }
        for step in planned:
            begin(f"round {step.round}/{experiment.tasks} {step.cell}")
            cell = by_name[step.cell]
            yield _start(experiment, step, cell, fargate, definitions[cell.image, cell.size])


def words(size: Size) -> str:
    """A size as tables name it."""
    assert size.memory_bytes is not None
    return f"{size.vcpu:g} vCPU / {size.memory_bytes // MIB} MiB"


def _record(cell: Variant) -> ExperimentCell:
    assert cell.size.memory_bytes is not None
    return ExperimentCell(
        name=cell.name,
        image=cell.image,
        vcpu=cell.size.vcpu,
        memory_bytes=cell.size.memory_bytes,
        subnets=cell.subnets,
        conformance=cell.conformance,
    )


def _line(experiment: Experiment, start: TaskStart) -> str:
    how = start.error or (
        "no createdAt from ECS" if start.total_s is None else f"{start.total_s:.1f} s to the first 200"
    )
    return f"round {start.round}/{experiment.tasks} {start.cell}: {how}"


def _start(experiment: Experiment, step: Step, cell: Variant, fargate: FargateSettings, arn: str) -> TaskStart:
    known: dict[str, Any] = {"run": experiment.id, "round": step.round, "position": step.position, "cell": step.cell}
    spent = fargate.budget.spent
    try:
        with started(cell.name, arn, cell.size, fargate, subnets=cell.subnets, groups=cell.groups) as one:
            found = measured(one)
    except FailedError as error:
        return TaskStart(**known, error=str(error), dollars=fargate.budget.spent - spent)
    return TaskStart(**known, **found, dollars=fargate.budget.spent - spent)


def measured(one: Started) -> dict[str, Any]:
    """The phases of a start, once ECS has told them: it says only later that what has answered runs."""
    seen = one.watch.settled(SETTLE_S)
    clock = one.watch.settings.cloud.clock
    return {**startup_phases(seen, one.answered_at, clock.offset), "clock_uncertainty_s": clock.uncertainty_s}
