"""The records that ``make money FORMAT=json`` prints, with amounts in dollars."""

from datetime import date, datetime
from typing import Annotated

from msgspec import Struct

from common.catalog.sizes import Size
from common.records.figure import Figure
from common.records.schema import SCHEMA_VERSION, Count, says
from common.records.summary import Interval


class Fleet(Struct, frozen=True, kw_only=True):
    """The cheapest fleet of equal tasks that carries the rate asked for."""

    size: Annotated[Size, says("vCPUs and memory of a task.")]
    tasks: Annotated[Count, says("Number of tasks.")]
    utilisation: Annotated[float, says("Share of the fleet's capacity that the rate uses.")]
    month: Annotated[float, says("Cost of the fleet for a month.")]


class Price(Struct, frozen=True, kw_only=True):
    """The cost of a stack at the prices of one list."""

    rate: Annotated[Figure, says("The stack's requests per CPU-second.")]
    prices: Annotated[str, says("Price list: a row of common/catalog/prices.toml.")]
    size: Annotated[Size, says("The cheapest task for a million requests that holds the stack.")]
    per_million: Annotated[Interval, says("Cost of a million requests at the bill's utilisation.")]
    idle_month: Annotated[float, says("Cost of an idle task for a month, without the storage of its image.")]
    storage_month: Annotated[
        float | None, says("For keeping the image, compressed; null where its bytes or the region's price are unknown.")
    ]
    fleet: Annotated[Fleet | None, says("Null where no rate was asked for, or nothing carries it.")] = None
    no_fleet: Annotated[str | None, says("Why there is no fleet although a rate was asked for.")] = None


class Bill(Struct, frozen=True, kw_only=True):
    """One invocation of ``make money`` (``money.json``)."""

    schema_version: Annotated[int, says("Schema version of this record.")] = SCHEMA_VERSION
    made_at: Annotated[datetime, says("Time of the calculation, UTC.")]
    prices_of: Annotated[dict[str, date], says("The date of each price list.")]
    utilisation: Annotated[float, says("Share of its capacity at which a task is assumed to run.")]
    rate_rps: Annotated[float | None, says("Rate that the fleet must carry; null if none was requested.")]
    p99_s: Annotated[float | None, says("p99 that the fleet must hold; null if none was requested.")]
    rows: Annotated[list[Price], says("One for each stack and price list, the cheapest for a million requests first.")]
    unpriced: Annotated[list[str], says("Stacks without a valid rate.")]
    unknown: Annotated[
        dict[str, list[str]],
        says("Stacks of which something is not known: image, memory, a size on offer that holds them, or latency."),
    ]
