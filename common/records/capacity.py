"""The records that ``make plan FORMAT=json`` prints: the tasks that carry a rate within a response time."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Struct

from common.catalog.sizes import Size
from common.records.figure import Subject
from common.records.schema import SCHEMA_VERSION, Count, Seconds, says
from common.records.summary import Interval


class Limit(StrEnum):
    """What keeps a task from carrying more."""

    CPU = "CPU"
    P99 = "p99"
    THREADS = "threads"


class Demand(Struct, frozen=True, kw_only=True):
    """The load that has to be carried, and the response time within which."""

    rate_rps: Annotated[float, says("Requests per second of all tasks together.")]
    p99_s: Annotated[Seconds, says("The 99th percentile of the response time that must hold.")]
    scenario: Annotated[str, says("The workload that the requests cost as much as; `paths` for the user's own.")]
    sleep_s: Annotated[Seconds, says("How long some requests wait for something else.")] = 0.0
    sleep_share: Annotated[float, says("The share of requests that do.")] = 0.0
    burst: Annotated[float, says("Variance of the number of arrivals over its mean: 1 for Poisson arrivals.")] = 1.0
    connections: Annotated[Count | None, says("Connections that the database accepts; null for no limit.")] = None
    pool: Annotated[Count, says("Connections that each worker keeps open to the database.")]


class TaskPlan(Struct, frozen=True, kw_only=True):
    """Equal tasks of one stack that carry the load. Their number stands on the lower end of the stack's rate."""

    subject: Subject
    prices: Annotated[str, says("Price list: a row of common/catalog/prices.toml.")]
    size: Annotated[Size, says("vCPUs, memory and workers of a task.")]
    threads: Annotated[Count | None, says("Threads of each worker; null for a stack that waits without them.")]
    tasks: Annotated[Count, says("Number of tasks.")]
    month: Annotated[
        Interval, says("Dollars a month; the bounds are of as many tasks as either end of all bounds needs.")
    ]
    p99_s: Annotated[Interval, says("99th percentile at this rate, by the model, with the band that it should be in.")]
    busy: Annotated[float, says("CPU time as a share of the tasks' vCPUs.")]
    most_rps: Annotated[Interval, says("Highest rate at which one task holds the response time.")]
    limited_by: Annotated[Limit, says("What keeps a task from carrying more.")]
    holds_without_one: Annotated[bool, says("Whether the response time holds with one task less.")]
    target_busy: Annotated[float, says("CPU utilisation for an autoscaler to hold, as a share of the vCPUs.")]
    target_share: Annotated[float, says("The share of the task's saturated rate at which it is that busy.")]
    connections: Annotated[Count, says("Connections to the database of all tasks, and of one more during an update.")]
    memory_bytes: Annotated[Count, says("Memory that a task needs, headroom included.")]
    modelled: Annotated[bool, says("Whether a task has more vCPUs than any size that was measured.")]


class CapacityPlan(Struct, frozen=True, kw_only=True):
    """One invocation of ``make plan``."""

    schema_version: Annotated[int, says("Schema version of this record.")] = SCHEMA_VERSION
    made_at: Annotated[datetime, says("Time of the calculation, UTC.")]
    prices_of: Annotated[dict[str, date], says("The date of each price list.")]
    demand: Demand
    plans: Annotated[list[TaskPlan], says("The cheapest first, and the two next best.")]
    missing: Annotated[dict[str, str], says("Stacks of which something is not known, each with what measures it.")]
