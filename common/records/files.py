"""The contents of the files that commands write, and their documentation for people and programs.

A run folder has ``run.json``, the lines of ``visits.jsonl``, and ``summary.json``; ``make money`` prints JSON, with
amounts in dollars. ``docs/records.md`` and the JSON Schemas are generated from the records' own descriptions by ``make
records``, and a test compares them with what is in the checkout.
"""

import inspect
import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Struct

from common.catalog.sizes import Size
from common.project import ROOT
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
from common.records.experiments.startup import (
    FargateRun,
    FargateSummary,
    Pull,
    Start,
    StartupRun,
    StartupSummary,
    TaskStart,
)
from common.records.figure import Figure
from common.records.run import CompareRun, CrosscheckRun, HistoryRun, LoadRun, Run
from common.records.schema import SCHEMA_VERSION, Count, Visit, decode, decoder, says
from common.records.summary import Interval, Summary
from common.records.window import Window

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

_VISITS = decoder(AnyVisit)
DOCUMENTATION = ROOT / "docs" / "records.md"
SCHEMAS = ROOT / "loadtests" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_HEAD = f"""# Records

Every command that measures writes one folder under `loadtests/results/` (or `OUT=`): `run.json`, the manifest, before
the first visit; one line of `visits.jsonl` after each visit and before the next; `summary.json` at the end, computed
from the two. Names carry units: `_s` seconds, `_bytes` bytes, `_rps` requests per second, `_ms` milliseconds. What is
missing is null, with the reason beside it. This page describes schema version {SCHEMA_VERSION}.
`make records` writes this page and the JSON Schemas in `loadtests/schemas/`.
"""


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
    unknown: Annotated[
        dict[str, list[str]],
        says("Stacks of which something is not known: image, memory, a size on offer that holds them, or latency."),
    ]


def documentation() -> str:
    """Return the text of ``docs/records.md``, in Markdown."""
    kinds = [*AnyRun.__args__, *AnyVisit.__args__, *SUMMARIES.values(), Bill]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="{name}")
    files = {kind.__name__: file for kind, file in _files()}
    order = [*files, *(name for name in schemas if name not in files)]
    return "\n".join([_HEAD, *(line for name in order for line in _section(name, schemas[name], files.get(name)))])


def schemas() -> dict[Path, str]:
    """Return the text of each JSON Schema by its file."""
    kinds = {"run": AnyRun, "visit": AnyVisit, "summary": Summary}
    return {SCHEMAS / f"{name}.schema.json": _schema(kind) for name, kind in kinds.items()}


def _files() -> Iterator[tuple[type[msgspec.Struct], str]]:
    for run in AnyRun.__args__:
        yield run, f"run.json of make {run.__struct_config__.tag}"
    for visit in AnyVisit.__args__:
        yield visit, f"a line of visits.jsonl of kind {visit.__struct_config__.tag}"
    for experiments, summary in SUMMARIES.items():
        yield summary, f"summary.json of {experiments}"
    yield Bill, "make money FORMAT=json"


def _schema(kind: Any) -> str:  # noqa: ANN401 -- a union of record types
    plain = json.loads(msgspec.json.encode(msgspec.json.schema(kind)), object_hook=_without_indentation)
    document = {"$schema": DIALECT, "$comment": f"schema version {SCHEMA_VERSION}", **plain}
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"


def _without_indentation(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose description is not indented; Python up to 3.12 keeps the indentation of docstrings."""
    description = schema.get("description")
    return schema | {"description": inspect.cleandoc(description)} if isinstance(description, str) else schema


def _section(name: str, schema: Mapping[str, Any], file: str | None) -> Iterator[str]:
    yield f"## {name}{f' ({file})' if file else ''}"
    yield ""
    yield " ".join(schema.get("description", "").split())
    yield ""
    if "properties" not in schema:
        yield f"One of {', '.join(f'`{value}`' for value in schema['enum'])}."
    else:
        yield "| field | type | meaning |"
        yield "| --- | --- | --- |"
        for field, of in schema["properties"].items():
            yield f"| `{field}` | {_type(of)} | {of.get('description', '')} |"
    yield ""


def _type(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "$ref" in schema:
        return f"[{schema['$ref']}](#{schema['$ref'].lower()})"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema.get("format", schema.get("type", "any")))
    if kind == "array":
        return f"list of {_type(schema['items'])}" if schema.get("items") else "list"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_type(schema['additionalProperties'])}"
    return kind
