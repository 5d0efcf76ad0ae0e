"""The records of starts of Fargate tasks."""

from datetime import datetime
from typing import Annotated

from msgspec import Struct

from common.catalog.sizes import Size, TaskArchitecture
from common.records.run import Cell, Run
from common.records.schema import Count, RunSummary, Visit, says
from common.records.summary import Interval


class FargateCell(Struct, frozen=True, kw_only=True):
    """One of the kinds of task whose starts are compared."""

    name: Annotated[str, says("Name, unique in its run.")]
    stack: Cell
    image: Annotated[str, says("Reference of the image that the tasks pull.")]
    size: Annotated[Size, says("vCPUs and memory of each task.")]
    subnets: Annotated[str, says("Subnets in which the tasks run.")]
    security_groups: Annotated[str, says("Their security groups; empty for the VPC's own.")] = ""


class FargateRun(Run, frozen=True, kw_only=True, tag="fargate"):
    """Starts of Fargate tasks; a round starts one task of each cell."""

    name: Annotated[str, says("Name of the experiment (image-size, vcpu or endpoints), or startup.")]
    region: Annotated[str | None, says("AWS region; null if boto3's own configuration chose it.")]
    architecture: Annotated[TaskArchitecture, says("Processor architecture of the tasks, as ECS names it.")]
    public: Annotated[bool, says("Whether tasks were reached at public addresses.")]
    prices: Annotated[str, says("The prices that the spending limit was checked with.")]
    cells: list[FargateCell]


class TaskStart(Visit, frozen=True, kw_only=True, tag="task"):
    """One task's start. The phases follow each other and add up to ``total_s``."""

    created_at: Annotated[datetime | None, says("ECS: createdAt.")] = None
    pull_started_at: Annotated[datetime | None, says("ECS: pullStartedAt.")] = None
    pull_stopped_at: Annotated[datetime | None, says("ECS: pullStoppedAt.")] = None
    running_at: Annotated[datetime | None, says("ECS: startedAt.")] = None
    answered_at: Annotated[
        datetime | None, says("Time of the first response with status 200 to our probe, by AWS's clock.")
    ] = None
    provisioning_s: Annotated[float | None, says("pullStartedAt - createdAt; null if ECS omits one of them.")] = None
    pull_s: Annotated[float | None, says("pullStoppedAt - pullStartedAt.")] = None
    start_s: Annotated[float | None, says("startedAt - pullStoppedAt.")] = None
    ready_s: Annotated[
        float | None, says("First 200 - startedAt; negative if ECS noticed the start later than our probe.")
    ] = None
    total_s: Annotated[float | None, says("First 200 - createdAt.")] = None
    clock_offset_s: Annotated[
        float,
        says("Offset added to this machine's clock: the smallest that agrees with the Date headers of AWS's answers."),
    ] = 0.0
    clock_uncertainty_s: Annotated[
        float | None, says("Half the width of the range of offsets that the dated answers allow.")
    ] = None
    zone: Annotated[str | None, says("Availability zone.")] = None
    image_digest: Annotated[str | None, says("Digest of the image that ECS pulled.")] = None
    dollars: Annotated[float | None, says("Cost at the dated prices, until the task was asked to stop.")] = None


class CellStarts(Struct, frozen=True, kw_only=True):
    """The starts of a cell: means with Student's t intervals, so that the phases add up to the total."""

    cell: Annotated[str, says("The cell's name.")]
    failed: Annotated[Count, says("Number of tasks that did not start.")]
    provisioning_s: Interval | None
    pull_s: Interval | None
    start_s: Interval | None
    ready_s: Interval | None
    total_s: Interval | None
    difference_s: Annotated[
        Interval | None,
        says("Total minus that of the first cell, within rounds; null for the first cell and in startup."),
    ]


class FargateSummary(RunSummary, frozen=True, kw_only=True):
    """The summary of a run's task starts (``summary.json``)."""

    dollars: Annotated[float, says("Cost of all tasks at the dated prices.")]
    cells: list[CellStarts]
