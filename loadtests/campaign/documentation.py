"""The documentation of all records: ``docs/records.md`` and the JSON Schemas, generated from their descriptions."""

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Union

import msgspec

from common.project import ROOT
from common.records.bill import Bill
from common.records.bundle import Bundle
from common.records.capacity import CapacityPlan
from common.records.schema import SCHEMA_VERSION
from common.records.share import Shares
from common.records.summary import Summary
from loadtests.campaign.catalog import run_types, summary_types, visit_types

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


def documentation() -> str:
    """Return the text of ``docs/records.md``, in Markdown."""
    kinds = [*run_types(), *visit_types(), *summary_types(), Bill, CapacityPlan, Shares, Bundle]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="{name}")
    files = {kind.__name__: file for kind, file in _files()}
    order = [*files, *(name for name in schemas if name not in files)]
    return "\n".join([_HEAD, *(line for name in order for line in _section(name, schemas[name], files.get(name)))])


def schemas() -> dict[Path, str]:
    """Return the text of each JSON Schema by its file."""
    kinds = {"run": Union[run_types()], "visit": Union[visit_types()], "summary": Summary}  # noqa: UP007 -- types that are found
    return {SCHEMAS / f"{name}.schema.json": _schema(kind) for name, kind in kinds.items()}


def _files() -> Iterator[tuple[type[msgspec.Struct], str]]:
    for run in run_types():
        yield run, f"run.json of make {run.__struct_config__.tag}"
    for visit in visit_types():
        yield visit, f"a line of visits.jsonl of kind {visit.__struct_config__.tag}"
    for summary, commands in summary_types().items():
        yield summary, f"summary.json of {', '.join(commands)}"
    yield Bill, "make money FORMAT=json"
    yield CapacityPlan, "make plan FORMAT=json"
    yield Shares, "make shares FORMAT=json"
    yield Bundle, "bundle.json of make bundle"


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
        return " or ".join(_type(choice) for choice in schema["anyOf"])
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
