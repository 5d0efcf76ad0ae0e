"""The page that says what every field of a run's files means, from the records themselves. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from common.project import ROOT
from common.records.cost import Bill
from common.records.fargate import Experiment, ExperimentSummary, TaskStart
from common.records.footprint import Sizes
from common.records.latency import LatencyRun, LatencySummary, Visit
from common.records.memory import Limit, Memory, MemoryRun, MemorySummary
from common.records.run import Run
from common.records.schema import SCHEMA_VERSION
from common.records.startup import Pull, Start, StartupRun, StartupSummary
from common.records.summary import Summary
from common.records.window import Canary, Window

PAGE = ROOT / "loadtests" / "RECORDS.md"
FILES = {
    "run.json": Run,
    "a line of windows.jsonl": Window,
    "a line of canaries.jsonl": Canary,
    "summary.json": Summary,
    "run.json of make startup": StartupRun,
    "a line of starts.jsonl": Start,
    "a line of pulls.jsonl": Pull,
    "summary.json of make startup": StartupSummary,
    "run.json of make memory": MemoryRun,
    "a line of memory.jsonl": Memory,
    "a line of limits.jsonl": Limit,
    "summary.json of make memory": MemorySummary,
    "sizes.json": Sizes,
    "money.json": Bill,
    "run.json of latency, workers and causes": LatencyRun,
    "a line of visits.jsonl": Visit,
    "summary.json of latency, workers and causes": LatencySummary,
    "experiment.json": Experiment,
    "a line of an experiment's starts.jsonl": TaskStart,
    "an experiment's summary.json": ExperimentSummary,
}

HEAD = f"""# What a run writes

`make loadtest` writes a folder under `loadtests/results/` (or `OUT=`): `run.json` before the first window, one line of
`windows.jsonl` after each window and before the next, `summary.json` at the end; `make money` adds `money.json`. `make
latency`, `make workers` and `make causes` do the same with a line of `visits.jsonl` after each server. `make sizes`
writes a folder with `sizes.json`; `make startup` and `make memory` write into folders of their names, and `make
startup` on Fargate writes what an experiment does. Names carry units: `_s` seconds, `_bytes` bytes, `_rps` requests per
second, `_ms` milliseconds. What is missing is null, with the reason beside it. This page describes schema version
{SCHEMA_VERSION}; `make records` writes it.
"""


def page() -> str:
    """The page as Markdown."""
    _, schemas = msgspec.json.schema_components(FILES.values(), ref_template="{name}")
    files = {kind.__name__: file for file, kind in FILES.items()}
    order = [*files, *(name for name in schemas if name not in files)]
    return "\n".join([HEAD, *(line for name in order for line in _section(name, schemas[name], files.get(name)))])


def _section(name: str, schema: Mapping[str, Any], file: str | None) -> Iterator[str]:
    yield f"## {name}{f' ({file})' if file else ''}"
    yield ""
    yield " ".join(schema["description"].split())
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
    kind = str(schema.get("format", schema.get("type", "any")))
    if kind == "array":
        return f"list of {_type(schema['items'])}" if schema.get("items") else "list"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_type(schema['additionalProperties'])}"
    return kind
