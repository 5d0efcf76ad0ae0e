"""The contents of the files that commands write: those of a run folder, and the JSON of ``make money``.

A run folder has ``run.json``, the lines of ``visits.jsonl``, and ``summary.json``. Amounts of money are dollars.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Struct

from common.catalog.sizes import Size
from common.records.experiments.fargate import FargateRun, FargateSummary, TaskStart
from common.records.experiments.footprint import FootprintRun, FootprintSummary, ImageVisit, LibrariesVisit
from common.records.experiments.generator import (
    CrosscheckSummary,
    DistributedRun,
    DistributedSummary,
    GeneratorRun,
    GeneratorSummary,
    GeneratorVisit,
)
from common.records.experiments.latency import CausesRun, LatencyRun, LatencySummary, TrafficVisit, WorkersRun
from common.records.experiments.memory import LimitVisit, MemoryRun, MemorySummary, MemoryVisit
from common.records.experiments.startup import Pull, Start, StartupRun, StartupSummary
from common.records.figure import Figure
from common.records.run import CompareRun, CrosscheckRun, HistoryRun, LoadRun, Run
from common.records.schema import SCHEMA_VERSION, Count, Visit, decode, says
from common.records.summary import Interval, Summary
from common.records.window import Canary, Window

AnyRun = (
    LoadRun
    | HistoryRun
    | CompareRun
    | CrosscheckRun
    | LatencyRun
    | WorkersRun
    | CausesRun
    | StartupRun
    | MemoryRun
    | FootprintRun
    | FargateRun
    | GeneratorRun
    | DistributedRun
)
"""Every kind of ``run.json``, told apart by its field ``experiment``."""
AnyVisit = (
    Window
    | Canary
    | TrafficVisit
    | Start
    | Pull
    | MemoryVisit
    | LimitVisit
    | LibrariesVisit
    | ImageVisit
    | TaskStart
    | GeneratorVisit
)
"""Every kind of line in ``visits.jsonl``, told apart by its field ``kind``."""
SUMMARIES: Mapping[str, type[msgspec.Struct]] = {
    "loadtest, history and compare": Summary,
    "latency, workers and causes": LatencySummary,
    "startup": StartupSummary,
    "memory": MemorySummary,
    "sizes": FootprintSummary,
    "fargate": FargateSummary,
    "bench-generator": GeneratorSummary,
    "crosscheck": CrosscheckSummary,
    "master": DistributedSummary,
}
"""Every kind of ``summary.json`` by the experiments that end in it."""

_VISITS: msgspec.json.Decoder[Any] = msgspec.json.Decoder(AnyVisit)


def decode_run(text: bytes, *, source: str) -> Run:
    """Return the manifest in ``text``; ``UsageError`` names ``source`` and what is wrong."""
    run: Run = decode(text, AnyRun, what="run", source=source)
    return run


def decode_visit(line: bytes) -> Visit:
    """Return the visit in a line; ``msgspec.DecodeError`` where it is damaged."""
    visit: Visit = _VISITS.decode(line)
    return visit


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
    unknown: Annotated[dict[str, list[str]], says("What is not known of stacks, by what it is: images, memory.")]
