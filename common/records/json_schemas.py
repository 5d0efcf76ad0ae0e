"""JSON Schemas of what a run writes, from the records themselves, for programs that read runs. Pure."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from common.project import ROOT
from common.records.run import Run
from common.records.schema import SCHEMA_VERSION
from common.records.summary import Summary
from common.records.window import Window

SCHEMAS = ROOT / "loadtests" / "schemas"
KINDS: Mapping[str, type[msgspec.Struct]] = {"run": Run, "window": Window, "summary": Summary}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[Path, str]:
    """The text of each schema, by its file."""
    return {SCHEMAS / f"{name}.schema.json": _schema(kind) for name, kind in KINDS.items()}


def _schema(kind: type[msgspec.Struct]) -> str:
    document = {"$schema": DIALECT, "$comment": f"schema version {SCHEMA_VERSION}", **msgspec.json.schema(kind)}
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"
