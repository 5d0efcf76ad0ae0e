"""From a started task to its phases, and from many to a summary. Pure."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from scipy.special import stdtrit

from common.aws.requests import Task
from common.records.fargate import CellStarts, Experiment, ExperimentSummary, TaskStart
from common.records.summary import Interval
from loadtests.analysis.intervals import CONFIDENCE

STARTUP = "startup"
"""The name of what asks about no factor: its cells have no first to be set against."""
PHASES = ("provisioning_s", "pull_s", "start_s", "ready_s", "total_s")


def startup_phases(task: Task, answered_at: datetime, clock_offset: timedelta = timedelta()) -> dict[str, Any]:
    """The instants and phases of a ``TaskStart``; a phase is ``None`` where ECS did not give an end of it."""
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


def summarise(experiment: Experiment, starts: Sequence[TaskStart]) -> ExperimentSummary:
    """Every cell's row, in the experiment's order; differences are to the first cell, where a factor is asked about."""
    names = [cell.name for cell in experiment.cells]
    rows = [_row(name, names[0] if experiment.name != STARTUP else name, starts) for name in names]
    return ExperimentSummary(run=experiment.id, dollars=sum(one.dollars or 0.0 for one in starts), cells=rows)


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Mean with Student's t interval; ``None`` for no values."""
    if not values:
        return None
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(estimate=mean, low=None, high=None, n=1)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * error
    return Interval(estimate=mean, low=mean - half, high=mean + half, n=len(values))


def _row(name: str, reference: str, starts: Sequence[TaskStart]) -> CellStarts:
    mine = [one for one in starts if one.cell == name]
    totals = {one.round: one.total_s for one in mine if one.total_s is not None}
    theirs = {one.round: one.total_s for one in starts if one.cell == reference and one.total_s is not None}
    differences = [totals[number] - theirs[number] for number in sorted(totals.keys() & theirs.keys())]
    return CellStarts(
        cell=name,
        failed=sum(one.error is not None for one in mine),
        difference_s=None if name == reference else mean_interval(differences),
        **{phase: mean_interval(_known(mine, phase)) for phase in PHASES},
    )


def _known(starts: Sequence[TaskStart], phase: str) -> list[float]:
    return [value for one in starts if (value := getattr(one, phase)) is not None]


def _between(first: datetime | None, last: datetime | None) -> float | None:
    return None if first is None or last is None else (last - first).total_seconds()
