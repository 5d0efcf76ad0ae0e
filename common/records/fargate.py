"""What an experiment on Fargate writes down. Times are seconds, sizes bytes, instants UTC."""

from datetime import datetime
from typing import Annotated

from msgspec import Struct

from common.records.run import Conformance
from common.records.schema import SCHEMA_VERSION, Count, says
from common.records.summary import Interval


class ExperimentCell(Struct, frozen=True, kw_only=True):
    """One of the variants that an experiment compares."""

    name: Annotated[str, says("Unique in its experiment.")]
    image: Annotated[str, says("What the tasks pull.")]
    vcpu: Annotated[float, says("vCPUs of each task.")]
    memory_bytes: Annotated[Count, says("Memory of each task.")]
    subnets: Annotated[str, says("Where the tasks run.")]
    conformance: Annotated[
        Conformance | None, says("Of a task of its own before the starts; null where it was not asked for.")
    ] = None


class Experiment(Struct, frozen=True, kw_only=True):
    """One invocation (``experiment.json``), written before its first task."""

    schema_version: Annotated[int, says("Version of these records.")] = SCHEMA_VERSION
    id: Annotated[str, says("Names the results folder.")]
    name: Annotated[str, says("startup, or an experiment: image-size, vcpu or endpoints.")]
    started_at: Annotated[datetime, says("UTC.")]
    revision: Annotated[str | None, says("Commit of this project, with +dirty where files had changed.")]
    command_line: Annotated[list[str], says("How it was called.")]
    seed: Annotated[int, says("Seed of the order of cells within rounds.")]
    tasks: Annotated[Count, says("Tasks of each cell: rounds.")]
    region: Annotated[str | None, says("AWS region; null where boto3's own configuration names it.")]
    architecture: Annotated[str, says("X86_64 or ARM64.")]
    public: Annotated[bool, says("Whether tasks were reached by public addresses.")]
    prices: Annotated[str, says("Which prices the ceiling was reckoned with.")]
    cells: list[ExperimentCell]


class TaskStart(Struct, frozen=True, kw_only=True):
    """One task's start: a line of ``starts.jsonl``. The phases follow each other and add up to ``total_s``."""

    run: Annotated[str, says("The experiment's id.")]
    round: Annotated[Count, says("Round, from 1.")]
    position: Annotated[Count, says("Place in the round's order, from 1.")]
    cell: Annotated[str, says("The cell's name.")]
    created_at: Annotated[datetime | None, says("ECS: createdAt.")] = None
    pull_started_at: Annotated[datetime | None, says("ECS: pullStartedAt.")] = None
    pull_stopped_at: Annotated[datetime | None, says("ECS: pullStoppedAt.")] = None
    running_at: Annotated[datetime | None, says("ECS: startedAt.")] = None
    answered_at: Annotated[datetime | None, says("First 200 to our probe, our clock set to AWS's.")] = None
    provisioning_s: Annotated[float | None, says("pullStartedAt - createdAt; null where ECS keeps one back.")] = None
    pull_s: Annotated[float | None, says("pullStoppedAt - pullStartedAt.")] = None
    start_s: Annotated[float | None, says("startedAt - pullStoppedAt.")] = None
    ready_s: Annotated[
        float | None, says("First 200 - startedAt; below zero where ECS notices the start after our probe.")
    ] = None
    total_s: Annotated[float | None, says("First 200 - createdAt.")] = None
    clock_offset_s: Annotated[float, says("Added to our clock: the least that AWS's dated answers ask for.")] = 0.0
    clock_uncertainty_s: Annotated[float | None, says("Half the width of what they allow.")] = None
    zone: Annotated[str | None, says("Availability zone.")] = None
    image_digest: Annotated[str | None, says("Digest of the image that ECS pulled.")] = None
    dollars: Annotated[float | None, says("What it cost at the dated prices, until it was told to stop.")] = None
    error: Annotated[str | None, says("Why it did not start.")] = None


class CellStarts(Struct, frozen=True, kw_only=True):
    """A cell's row: means with Student's t intervals, since seconds of phases add up."""

    cell: Annotated[str, says("The cell's name.")]
    failed: Annotated[Count, says("Tasks that did not start.")]
    provisioning_s: Interval | None
    pull_s: Interval | None
    start_s: Interval | None
    ready_s: Interval | None
    total_s: Interval | None
    difference_s: Annotated[
        Interval | None, says("Total less the first cell's, within rounds; null for that, and in startup.")
    ]


class ExperimentSummary(Struct, frozen=True, kw_only=True):
    """What an experiment's starts amount to (``summary.json``)."""

    schema_version: Annotated[int, says("Version of these records.")] = SCHEMA_VERSION
    run: Annotated[str, says("The experiment's id.")]
    dollars: Annotated[float, says("What all tasks cost at the dated prices.")]
    cells: list[CellStarts]
