"""Run folders of schema versions 1 and 2 are read as version 3."""

import json
from pathlib import Path

import pytest

from common.catalog.sizes import Size
from common.records.load import Objective, Rate, Tool
from common.records.run import CompareRun, CrosscheckRun, Design, LoadRun
from loadtests.campaign.store import RunFolder

SCHEMA_1 = Path(__file__).parent / "schema-1-run.json"


def test_a_load_test_of_version_1_has_exactly_its_rounds_and_no_looks(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(SCHEMA_1.read_bytes())
    run = RunFolder(folder=tmp_path).run()
    assert isinstance(run, LoadRun)
    assert (run.schema_version, run.rounds, run.stopping.looks, run.design) == (1, 5, [], Design.ALONE)
    assert run.setup.size == Size(vcpu=1.0)
    assert run.setup.load.tool is Tool.LOCUST


def _old_run(folder: Path, **changes: object) -> LoadRun:
    """Return the run that a manifest of version 1 with these fields is read as."""
    (folder / "run.json").write_text(json.dumps(json.loads(SCHEMA_1.read_bytes()) | changes))
    run = RunFolder(folder=folder).run()
    assert isinstance(run, LoadRun)
    return run


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"tool": "wrk"}, {"tool": Tool.WRK}),
        ({"tool": "locust, wrk"}, {"tool": Tool.LOCUST}),
        ({"rate": "500"}, {"rate": Rate(rps=500)}),
        ({"rate": "12.5%"}, {"rate": Rate(share=0.125)}),
        ({"objective": "p99<50ms"}, {"objective": Objective(fraction=0.99, limit_s=0.05)}),
        ({"objective": "p999:0.2s"}, {"objective": Objective(fraction=0.999, limit_s=0.2)}),
    ],
)
def test_the_load_of_an_old_run_is_read_as_it_was_written(
    written: dict[str, str], read: dict[str, object], tmp_path: Path
) -> None:
    load = _old_run(tmp_path, **written).setup.load
    assert {name: getattr(load, name) for name in read} == read


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ({}, LoadRun),
        ({"design": "alternation", "command_line": ["make compare A=a B=b"]}, CompareRun),
        ({"design": "alternation", "command_line": ["make crosscheck FRAMEWORK=a"]}, CrosscheckRun),
        ({"design": "alternation", "tool": "locust, wrk"}, CrosscheckRun),
    ],
)
def test_comparisons_and_crosschecks_are_told_apart(
    written: dict[str, object], kind: type[LoadRun], tmp_path: Path
) -> None:
    assert type(_old_run(tmp_path, **written)) is kind


def test_a_damaged_last_line_of_an_old_folder_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(SCHEMA_1.read_bytes())
    made = json.loads(SCHEMA_1.read_bytes())
    window = {
        "run": made["id"],
        "round": 1,
        "position": 1,
        "cell": "a+b",
        "started_at": "2026-01-02T12:00:00Z",
        "load": None,
    }
    (tmp_path / "windows.jsonl").write_text(f'{json.dumps(window)}\n{{"run": "r", "rou')
    (visit,) = RunFolder(folder=tmp_path).visits()
    assert visit.cell == "a+b"
