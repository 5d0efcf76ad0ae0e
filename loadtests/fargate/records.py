"""What an experiment on Fargate writes down. Times are seconds, sizes bytes, instants UTC."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from common.records import SCHEMA_VERSION, Conformance, Count, Interval


def _says(description: str) -> Meta:
    return Meta(description=description)


class ExperimentCell(Struct, frozen=True, kw_only=True):
    """One of the variants that an experiment compares."""

    name: Annotated[str, _says("Unique in its experiment.")]
    image: Annotated[str, _says("What the tasks pull.")]
    vcpu: Annotated[float, _says("vCPUs of each task.")]
    memory_bytes: Annotated[Count, _says("Memory of each task.")]
    subnets: Annotated[str, _says("Where the tasks run.")]
    conformance: Annotated[
        Conformance | None, _says("Of a task of its own before the starts; null where it was not asked for.")
    ] = None


class Experiment(Struct, frozen=True, kw_only=True):
    """One invocation (``experiment.json``), written before its first task."""

    schema_version: Annotated[int, _says("Version of these records.")] = SCHEMA_VERSION
    id: Annotated[str, _says("Names the results folder.")]
    name: Annotated[str, _says("startup, or an experiment: image-size, vcpu or endpoints.")]
    started_at: Annotated[datetime, _says("UTC.")]
    revision: Annotated[str | None, _says("Commit of this project, with +dirty where files had changed.")]
    command_line: Annotated[list[str], _says("How it was called.")]
    seed: Annotated[int, _says("Seed of the order of cells within rounds.")]
    tasks: Annotated[Count, _says("Tasks of each cell: rounds.")]
    region: Annotated[str | None, _says("AWS region; null where boto3's own configuration names it.")]
    architecture: Annotated[str, _says("X86_64 or ARM64.")]
    public: Annotated[bool, _says("Whether tasks were reached by public addresses.")]
    prices: Annotated[str, _says("Which prices the ceiling was reckoned with.")]
    cells: list[ExperimentCell]


class TaskStart(Struct, frozen=True, kw_only=True):
    """One task's start: a line of ``starts.jsonl``. The phases follow each other and add up to ``total_s``."""

    run: Annotated[str, _says("The experiment's id.")]
    round: Annotated[Count, _says("Round, from 1.")]
    position: Annotated[Count, _says("Place in the round's order, from 1.")]
    cell: Annotated[str, _says("The cell's name.")]
    created_at: Annotated[datetime | None, _says("ECS: createdAt.")] = None
    pull_started_at: Annotated[datetime | None, _says("ECS: pullStartedAt.")] = None
    pull_stopped_at: Annotated[datetime | None, _says("ECS: pullStoppedAt.")] = None
    running_at: Annotated[datetime | None, _says("ECS: startedAt.")] = None
    answered_at: Annotated[datetime | None, _says("First 200 to our probe, our clock set to AWS's.")] = None
    provisioning_s: Annotated[float | None, _says("pullStartedAt - createdAt; null where ECS keeps one back.")] = None
    pull_s: Annotated[float | None, _says("pullStoppedAt - pullStartedAt.")] = None
    start_s: Annotated[float | None, _says("startedAt - pullStoppedAt.")] = None
    ready_s: Annotated[
        float | None, _says("First 200 - startedAt; below zero where ECS notices the start after our probe.")
    ] = None
    total_s: Annotated[float | None, _says("First 200 - createdAt.")] = None
    clock_offset_s: Annotated[float, _says("Added to our clock: the least that AWS's dated answers ask for.")] = 0.0
    clock_uncertainty_s: Annotated[float | None, _says("Half the width of what they allow.")] = None
    zone: Annotated[str | None, _says("Availability zone.")] = None
    image_digest: Annotated[str | None, _says("Digest of the image that ECS pulled.")] = None
    dollars: Annotated[float | None, _says("What it cost at the dated prices, until it was told to stop.")] = None
    error: Annotated[str | None, _says("Why it did not start.")] = None


class CellStarts(Struct, frozen=True, kw_only=True):
    """A cell's row: means with Student's t intervals, since seconds of phases add up."""

    cell: Annotated[str, _says("The cell's name.")]
    failed: Annotated[Count, _says("Tasks that did not start.")]
    provisioning_s: Interval | None
    pull_s: Interval | None
    start_s: Interval | None
    ready_s: Interval | None
    total_s: Interval | None
    difference_s: Annotated[
        Interval | None, _says("Total less the first cell's, within rounds; null for that, and in startup.")
    ]


class ExperimentSummary(Struct, frozen=True, kw_only=True):
    """What an experiment's starts amount to (``summary.json``)."""

    schema_version: Annotated[int, _says("Version of these records.")] = SCHEMA_VERSION
    run: Annotated[str, _says("The experiment's id.")]
    dollars: Annotated[float, _says("What all tasks cost at the dated prices.")]
    cells: list[CellStarts]
