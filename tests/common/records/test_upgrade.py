"""Run folders of schema versions 1 and 2 are read as version 3."""

import json
from pathlib import Path

from common.catalog.sizes import Size
from common.records.load import Tool
from common.records.run import Design, LoadRun
from loadtests.campaign.store import RunFolder

SCHEMA_1 = Path(__file__).parent / "schema-1-run.json"


def test_a_load_test_of_version_1_has_exactly_its_rounds_and_no_looks(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(SCHEMA_1.read_bytes())
    run = RunFolder(folder=tmp_path).run()
    assert isinstance(run, LoadRun)
    assert (run.schema_version, run.rounds, run.stopping.looks, run.design) == (1, 5, [], Design.ALONE)
    assert run.setup.size == Size(vcpu=1.0)
    assert run.setup.load.tool is Tool.LOCUST


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
