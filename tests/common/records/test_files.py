"""The records page and the JSON Schemas agree with the records, and run folders with the schemas."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from common.errors import UsageError
from common.records.schema import decode
from common.records.summary import Summary
from loadtests.campaign.catalog import decode_run
from loadtests.campaign.documentation import DOCUMENTATION, SCHEMAS, documentation, schemas
from loadtests.campaign.store import RunFolder
from loadtests.experiments.loadtest.experiment import LoadTest
from tests.support.records import cell, load, run, window


def conforms(name: str, text: bytes) -> None:
    """Fail unless ``text`` is valid under the schema of ``name``."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(json.loads(text))


def test_the_schemas_are_those_of_the_records() -> None:
    assert {file: file.read_text() for file in SCHEMAS.iterdir()} == schemas(), "run: make records"


def test_the_files_of_a_run_are_valid(tmp_path: Path) -> None:
    made = run([cell("a+b")])
    folder = RunFolder.create(tmp_path, made)
    folder.add(window("a+b", 1, load()))
    folder.finish(LoadTest(made).summarise(folder.visits()))
    conforms("run", (tmp_path / "run.json").read_bytes())
    conforms("summary", (tmp_path / "summary.json").read_bytes())
    for line in (tmp_path / "visits.jsonl").read_bytes().splitlines():
        conforms("visit", line)


@pytest.mark.parametrize("wrong", ['{"id": "x"}', "[]", '{"schema_version": "two"}'])
def test_a_document_that_is_no_run_is_invalid(wrong: str) -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        conforms("run", wrong.encode())


@pytest.mark.parametrize("version", [0, 2, 4, 99])
def test_another_schema_version_is_refused_by_name(version: int) -> None:
    with pytest.raises(UsageError, match=rf"run\.json has schema version {version}: must be 3\."):
        decode_run(f'{{"schema_version": {version}}}'.encode(), source="run.json")


def test_an_invalid_record_is_reported_with_its_field() -> None:
    with pytest.raises(UsageError, match=r"summary\.json is not a valid summary of schema version 3: .*`run`"):
        decode('{"schema_version": 3}', Summary, what="summary", source="summary.json")


def test_the_page_describes_the_records() -> None:
    assert DOCUMENTATION.read_text() == documentation(), "run: make records"
