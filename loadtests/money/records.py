"""What ``make money`` writes into a run's folder (``money.json``). Amounts are dollars."""

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta, Struct

from common.records import SCHEMA_VERSION, Count, Interval


def _says(description: str) -> Meta:
    return Meta(description=description)


class Price(Struct, frozen=True, kw_only=True):
    """What a cell costs on one size of one offer."""

    cell: Annotated[str, _says("The cell's name.")]
    offer: Annotated[str, _says("Row of common/prices.toml.")]
    vcpu: Annotated[float, _says("vCPUs of a task.")]
    memory_bytes: Annotated[Count, _says("Memory of a task: the least valid one that holds the cell.")]
    modelled: Annotated[bool, _says("Whether the size is another than the one that was measured.")]
    capacity_rps: Annotated[Interval, _says("vCPUs x requests per CPU-second.")]
    per_million: Annotated[Interval, _says("For a million requests, at the bill's utilisation.")]
    idle_month: Annotated[float, _says("For a task that waits for a month, its image's storage apart.")]


class Choice(Struct, frozen=True, kw_only=True):
    """The cheapest fleet of one offer that carries the rate asked for."""

    cell: Annotated[str, _says("The cell's name.")]
    offer: Annotated[str, _says("Row of common/prices.toml.")]
    vcpu: Annotated[float | None, _says("vCPUs of a task; null where there is no fleet.")] = None
    memory_bytes: Annotated[int | None, _says("Memory of a task.")] = None
    tasks: Annotated[int | None, _says("How many tasks.")] = None
    utilisation: Annotated[float | None, _says("Share of their capacity that the rate takes.")] = None
    month: Annotated[float | None, _says("For the fleet for a month.")] = None
    missing: Annotated[str | None, _says("Why there is none.")] = None


class Bill(Struct, frozen=True, kw_only=True):
    """One invocation of ``make money``."""

    schema_version: Annotated[int, _says("Version of these records.")] = SCHEMA_VERSION
    run: Annotated[str, _says("The run's id.")]
    made_at: Annotated[datetime, _says("UTC.")]
    prices_of: Annotated[dict[str, date], _says("The date of each price.")]
    utilisation: Annotated[float, _says("Share of its capacity that a task is kept busy for.")]
    rate_rps: Annotated[float | None, _says("Rate to be carried; null where none was asked for.")]
    p99_s: Annotated[float | None, _says("p99 to be held; null where none was asked for.")]
    prices: list[Price]
    storage_month: Annotated[dict[str, float], _says("For keeping an image, compressed, by cell and store.")]
    choices: list[Choice]
    missing: Annotated[dict[str, str], _says("What could not be told of a cell, each with the reason.")]
