"""Known figures are shown on standard output, as a table with its notes or as JSON."""

import csv
import io
import json
import re
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

from common.cli.app import GIVEN, run
from common.host.machine import machine
from common.records.bill import Bill
from common.records.schema import decode
from loadtests.__main__ import command_line
from loadtests.board.index import FigureIndex, subjects_of
from loadtests.campaign.store import PUBLISHED, RunFolder
from loadtests.cli import results as module
from tests.support.here import NAME, real_candidate
from tests.support.records import cell, load, window
from tests.support.records import run as load_run
from tests.support.toy_stacks import toy_stack

PROCESS = ["--framework=raw_wsgi", "--runtime=process"]


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which results are looked for."""
    monkeypatch.setattr(module, "FigureIndex", partial(FigureIndex, results=tmp_path))
    return tmp_path


@pytest.fixture
def known(results: Path) -> Path:
    """The same, with one load test of a stack on this machine."""
    (subject,) = subjects_of([real_candidate()], [], any_image=False)
    stack = cell(NAME, framework="raw_wsgi", server="gunicorn-gthread", python=f"{subject.python}.1")
    folder = RunFolder.create(results / "one", load_run([stack], machine=machine()))
    for number in range(1, 6):
        folder.add(window(NAME, number, load(20_000)))
    return results


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what a command prints to standard output; nothing is printed elsewhere."""
    assert run(command_line(), words, {GIVEN: ""}) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


@pytest.mark.usefixtures("results")
def test_without_results_the_command_that_measures_them_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = _run(capsys, "show", *PROCESS)
    assert NAME in text
    command = "make loadtest latency startup memory FRAMEWORK=raw_wsgi SERVER=gunicorn-gthread RUNTIME=process"
    assert f"to fill the gaps: {command}\n" in text


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize("command", ["show", "badge"])
def test_of_a_folder_of_ones_own_the_command_that_measures_it_names_the_folder(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = toy_stack(tmp_path / "my code", "my-app").framework.folder
    run(command_line(), [command, f"--framework={folder}", "--runtime=process"], {GIVEN: ""})
    assert f"FRAMEWORK='{folder}'" in "".join(capsys.readouterr())


@pytest.mark.usefixtures("results")
def test_packages_of_the_stacks_are_shown_with_how_much_they_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    text = _run(capsys, "show", "--runtime=process", "--framework=django_ninja,raw_wsgi")
    assert re.search(r"^django-ninja +[0-9,]+ ", text, re.MULTILINE)
    assert not re.search(r"^(flask|fastapi) ", text, re.MULTILINE)
    assert (
        run(command_line(), ("show", "--runtime=process", "--framework=django_ninja", "--format=csv"), {GIVEN: ""}) == 0
    )
    assert "downloads" not in capsys.readouterr().out


@pytest.mark.usefixtures("known")
def test_known_figures_are_shown_and_only_missing_ones_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    text = _run(capsys, "show", *PROCESS)
    assert "10,000" in text
    assert "to fill the gaps: make latency startup memory FRAMEWORK=raw_wsgi" in text


def test_measured_frameworks_are_shown_with_the_default_ones_where_none_is_named(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}.1"
    name = "bottle+gunicorn-gthread"
    stack = cell(name, framework="bottle", server="gunicorn-gthread", python=python)
    folder = RunFolder.create(results / "one", load_run([stack], machine=machine()))
    for number in range(1, 6):
        folder.add(window(name, number, load(20_000)))
    shown = {
        row["subject"]["framework"] for row in json.loads(_run(capsys, "show", "--runtime=process", "--format=json"))
    }
    assert {"bottle", "flask"} <= shown
    assert "pyramid" not in shown


@pytest.mark.usefixtures("known")
def test_figures_of_another_size_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = _run(capsys, "show", *PROCESS, "--vcpu=2")
    assert "everything known at 2 vCPU" in text
    assert "10,000" not in text
    assert "VCPU=2" in text


@pytest.mark.usefixtures("known")
def test_rows_are_json_for_other_programs(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = json.loads(_run(capsys, "show", *PROCESS, "--format=json"))
    assert row["subject"]["framework"] == "raw_wsgi"
    assert row["rate"]["value"]["n"] == 5
    assert row["start"] is None


@pytest.mark.usefixtures("known")
def test_a_bill_is_shown_with_the_fleet_for_a_rate(capsys: pytest.CaptureFixture[str]) -> None:
    text = _run(capsys, "money", *PROCESS, "--rate=4000")
    assert "the cheapest fleet for 4000 req/s" in text
    assert "fargate-x86" in text
    assert f"measured on {machine().cpu_model}" in text


@pytest.mark.usefixtures("known")
def test_a_bill_within_a_p99_names_the_command_that_fills_its_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(_run(capsys, "money", *PROCESS, "--rate=4000", "--p99=50").split())
    assert "no fleet: its latency at shares of its capacity was not measured." in text
    assert "to measure that latency: make latency FRAMEWORK=raw_wsgi SERVER=gunicorn-gthread RUNTIME=process" in text


@pytest.mark.usefixtures("known")
def test_a_bill_is_json_for_other_programs(capsys: pytest.CaptureFixture[str]) -> None:
    text = _run(capsys, "money", *PROCESS, "--rate=4000", "--p99=50", "--format=json")
    bill: Bill = decode(text, Bill, what="bill", source="standard output")
    assert (bill.rate_rps, bill.p99_s) == (4000, 0.05)
    assert [row.prices for row in bill.rows] == ["fargate-arm", "fargate-x86"]


@pytest.mark.usefixtures("results")
def test_without_a_rate_there_is_a_bill_that_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    text = _run(capsys, "money", *PROCESS)
    assert f"missing: a valid rate of {NAME} (make loadtest)." in text


def test_a_damaged_run_is_reported_and_does_not_keep_the_others_from_being_shown(
    known: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (known / "damaged").mkdir()
    (known / "damaged" / "run.json").write_text("{")
    assert run(command_line(), ["show", *PROCESS], {GIVEN: ""}) == 0
    printed = capsys.readouterr()
    assert "10,000" in printed.out
    assert f"left out, since they cannot be read: 1 run, the first: {known / 'damaged'}" in printed.err


@pytest.mark.usefixtures("known")
def test_the_table_is_csv_for_a_spreadsheet(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command_line(), ["show", *PROCESS, "--format=csv"], {GIVEN: ""}) == 0
    printed = capsys.readouterr()
    (row,) = csv.DictReader(io.StringIO(printed.out))
    assert row["req/s per vCPU"] == "10000*", "measured with other packages than the lock names"
    assert "to fill the gaps" in printed.err


def test_a_report_of_one_run_is_written_where_it_is_asked_for(
    known: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new" / "page.html"
    assert _run(capsys, "report", f"--run={known / 'one'}", f"--out={file}") == f"wrote {file}\n"
    assert NAME in file.read_text()


@pytest.mark.usefixtures("known")
def test_a_badge_is_written_of_a_known_rate_and_refused_without_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(capsys, "badge", *PROCESS, f"--out={tmp_path / 'badges'}")
    (endpoint,) = (tmp_path / "badges").glob("*.json")
    assert json.loads(endpoint.read_text())["message"].startswith("10,000")
    assert run(command_line(), ["badge", "--framework=falcon", "--runtime=process"], {GIVEN: ""}) == 2
    whole = "Run: make loadtest FRAMEWORK=falcon SERVER=gunicorn-gthread RUNTIME=process"
    assert whole in capsys.readouterr().err


def test_the_published_runs_become_a_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"begin with {tmp_path / 'site' / 'index.html'}" in _run(capsys, "site", f"--out={tmp_path / 'site'}")


def test_a_site_names_the_published_runs_that_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    published = tmp_path / "published"
    shutil.copytree(PUBLISHED / "hello-process", published / "hello-process")
    (published / "damaged").mkdir()
    (published / "damaged" / "run.json").write_text("{")
    monkeypatch.setattr(module, "PUBLISHED", published)
    assert run(command_line(), ["site", f"--out={tmp_path / 'site'}"], {GIVEN: ""}) == 0
    assert f"left out of the pages: {published / 'damaged' / 'run.json'} is not a valid run" in capsys.readouterr().err
