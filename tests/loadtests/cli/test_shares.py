"""``make shares`` prints how much of a request is the framework, from the runs of this machine or those named."""

import json
from pathlib import Path

import pytest

from common.cli.app import GIVEN, run
from common.records.schema import decode
from common.records.share import Shares
from loadtests.__main__ import command_line
from loadtests.campaign import store
from tests.support.planted import HELLO, ORDER, planted, write_planted


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this machine's runs: one of ``hello``, one of ``order``."""
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    write_planted(tmp_path / "hello", planted(HELLO, "hello"))
    write_planted(tmp_path / "order", planted(ORDER, "order"))
    return tmp_path


def _shares(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert run(command_line(), ["shares", *words], {GIVEN: ""}) == status
    printed = capsys.readouterr()
    return printed.err if status else printed.out


def test_the_parts_are_a_table_with_a_sentence_for_each_stack(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(_shares(capsys).split())
    assert "Of a request that does no work, Fast+U is 57 % (57 to 58)." in text
    assert "Of a request that reads one row, Fast+U is 33 % (33 to 34); PostgreSQL's own time is not counted." in text


def test_a_run_that_is_named_is_split_by_the_machines_other_run_of_hello(capsys: pytest.CaptureFixture[str]) -> None:
    found = decode(_shares(capsys, "--run=order", "--format=json"), Shares, what="shares", source="standard output")
    assert [(row.scenario, row.cell, row.hello_runs) for row in found.rows] == [
        ("order", "raw_asgi+u", ["hello"]),
        ("order", "fast+u", ["hello"]),
    ]
    both = json.loads(_shares(capsys, "--run=order,hello", "--format=json"))
    assert [row["scenario"] for row in both["rows"]] == ["hello", "hello", "order", "order"]


def test_without_hello_the_command_that_measures_it_is_shown(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in (results / "hello").iterdir():
        file.unlink()
    text = _shares(capsys, "--run=order")
    assert "to tell server from driver: make loadtest FRAMEWORK=raw_asgi SERVER=u RUNTIME=process" in text


def test_runs_that_cannot_be_split_are_refused_with_the_way_out(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_planted(results / "sleep", planted(HELLO, "sleep"))
    said = _shares(capsys, "--run=sleep", status=2)
    assert said.endswith(
        "RUN=sleep holds no load test whose requests can be split. Run: make loadtest SCENARIO=order\n"
    )
