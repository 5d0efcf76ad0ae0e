"""What a run writes is what its published JSON Schemas say."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from common.errors import UsageError
from common.records.json_schemas import SCHEMAS, schemas
from common.records.run import Run
from common.records.schema import decode
from common.records.summary import Summary
from loadtests.analysis.summary import summarise
from loadtests.runs.results import Results
from tests.support.records import cell, load, run, window


def conforms(name: str, text: bytes) -> None:
    """Fail unless ``text`` is valid under the schema of ``name``."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(json.loads(text))


def test_the_schemas_are_those_of_the_records() -> None:
    assert {file: file.read_text() for file in SCHEMAS.iterdir()} == schemas(), "run: make records"


def test_the_files_of_a_run_are_valid(tmp_path: Path) -> None:
    made = run([cell("a+b")])
    results = Results.create(tmp_path, made)
    results.add(window("a+b", 1, load()))
    results.finish(summarise(made, results.windows()))
    conforms("run", (tmp_path / "run.json").read_bytes())
    conforms("summary", (tmp_path / "summary.json").read_bytes())
    conforms("window", (tmp_path / "windows.jsonl").read_bytes())


@pytest.mark.parametrize("wrong", ['{"id": "x"}', "[]", '{"schema_version": "two"}'])
def test_what_is_not_a_run_is_invalid(wrong: str) -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        conforms("run", wrong.encode())


def test_a_run_of_the_first_schema_version_is_read() -> None:
    """It had exactly as many rounds as it says."""
    old = json.loads((Path(__file__).parent / "schema-1-run.json").read_text())
    made: Run = decode(json.dumps(old), Run, source="run.json")
    assert (made.schema_version, made.rounds, made.looks) == (1, 5, [])


@pytest.mark.parametrize("version", [0, 3, 99])
def test_another_schema_version_is_refused_by_name(version: int) -> None:
    with pytest.raises(UsageError, match=rf"run\.json is of schema version {version}\. Accepted: 1 to 2"):
        decode(f'{{"schema_version": {version}}}', Run, source="run.json")


def test_what_is_no_record_is_named_with_its_field() -> None:
    with pytest.raises(UsageError, match=r"summary\.json is not a Summary record of schema version 2: .*`run`"):
        decode('{"schema_version": 2}', Summary, source="summary.json")
