"""One start of a Fargate task, by phase."""

from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from common.aws.requests import Task
from common.aws.settings import FargateSettings
from common.errors import FailedError
from common.runtimes.fargate import Started, started
from loadtests.experiments.fargate.records import FargateCell, TaskStart

SETTLE_S = 30.0
"""The longest time after its first response in which ECS reports that a task runs."""


def measure_task(blank: TaskStart, cell: FargateCell, settings: FargateSettings, definition_arn: str) -> TaskStart:
    """Return one start of a task; failures of the task are recorded in it, other errors are raised."""
    spent = settings.budget.spent
    try:
        with started(
            cell.name, definition_arn, cell.size, settings, subnets=cell.subnets, groups=cell.security_groups
        ) as task:
            phases = _phases(task)
    except FailedError as error:
        return replace(blank, error=str(error), dollars=settings.budget.spent - spent)
    return replace(blank, **phases, dollars=settings.budget.spent - spent)


def startup_phases(task: Task, answered_at: datetime, clock_offset: timedelta = timedelta()) -> dict[str, Any]:
    """Return the instants and phases of a ``TaskStart``; a phase is ``None`` if ECS gave only one of its ends."""
    answered_at += clock_offset
    return {
        "created_at": task.created_at,
        "pull_started_at": task.pull_started_at,
        "pull_stopped_at": task.pull_stopped_at,
        "running_at": task.started_at,
        "answered_at": answered_at,
        "provisioning_s": _between(task.created_at, task.pull_started_at),
        "pull_s": _between(task.pull_started_at, task.pull_stopped_at),
        "start_s": _between(task.pull_stopped_at, task.started_at),
        "ready_s": _between(task.started_at, answered_at),
        "total_s": _between(task.created_at, answered_at),
        "clock_offset_s": clock_offset.total_seconds(),
        "zone": task.zone,
        "image_digest": task.image_digest,
    }


def _phases(task: Started) -> dict[str, Any]:
    """Return the phases of a start, once ECS reports that the task runs, which it does with a delay."""
    reported = task.watch.settled(SETTLE_S)
    clock = task.watch.settings.cloud.clock
    return {**startup_phases(reported, task.answered_at, clock.offset), "clock_uncertainty_s": clock.uncertainty_s}


def _between(first: datetime | None, last: datetime | None) -> float | None:
    return None if first is None or last is None else (last - first).total_seconds()
