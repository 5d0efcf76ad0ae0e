"""What ``make money`` writes into a run's folder (``money.json``). Amounts are dollars."""

from datetime import date, datetime
from typing import Annotated

from msgspec import Struct

from common.records.schema import SCHEMA_VERSION, Count, says
from common.records.summary import Interval


class Price(Struct, frozen=True, kw_only=True):
    """What a cell costs on one size of one offer."""

    cell: Annotated[str, says("The cell's name.")]
    offer: Annotated[str, says("Row of common/catalog/prices.toml.")]
    vcpu: Annotated[float, says("vCPUs of a task.")]
    memory_bytes: Annotated[Count, says("Memory of a task: the least valid one that holds the cell.")]
    modelled: Annotated[bool, says("Whether the size is another than the one that was measured.")]
    capacity_rps: Annotated[Interval, says("vCPUs x requests per CPU-second.")]
    per_million: Annotated[Interval, says("For a million requests, at the bill's utilisation.")]
    idle_month: Annotated[float, says("For a task that waits for a month, its image's storage apart.")]


class Choice(Struct, frozen=True, kw_only=True):
    """The cheapest fleet of one offer that carries the rate asked for."""

    cell: Annotated[str, says("The cell's name.")]
    offer: Annotated[str, says("Row of common/catalog/prices.toml.")]
    vcpu: Annotated[float | None, says("vCPUs of a task; null where there is no fleet.")] = None
    memory_bytes: Annotated[int | None, says("Memory of a task.")] = None
    tasks: Annotated[int | None, says("How many tasks.")] = None
    utilisation: Annotated[float | None, says("Share of their capacity that the rate takes.")] = None
    month: Annotated[float | None, says("For the fleet for a month.")] = None
    missing: Annotated[str | None, says("Why there is none.")] = None


class Bill(Struct, frozen=True, kw_only=True):
    """One invocation of ``make money``."""

    schema_version: Annotated[int, says("Version of these records.")] = SCHEMA_VERSION
    run: Annotated[str, says("The run's id.")]
    made_at: Annotated[datetime, says("UTC.")]
    prices_of: Annotated[dict[str, date], says("The date of each price.")]
    utilisation: Annotated[float, says("Share of its capacity that a task is kept busy for.")]
    rate_rps: Annotated[float | None, says("Rate to be carried; null where none was asked for.")]
    p99_s: Annotated[float | None, says("p99 to be held; null where none was asked for.")]
    prices: list[Price]
    storage_month: Annotated[dict[str, float], says("For keeping an image, compressed, by cell and store.")]
    choices: list[Choice]
    missing: Annotated[dict[str, str], says("What could not be told of a cell, each with the reason.")]
