"""Runs are handed over as one file: it is made, and checked, from the command line."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from common.cli.app import GIVEN, run
from loadtests.__main__ import command_line
from loadtests.campaign import store
from loadtests.cli import results
from tests.support.pages import load_test, write_run


@pytest.fixture(autouse=True)
def _runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two finished runs among the results."""
    monkeypatch.setattr(store, "RESULTS", tmp_path / "results")
    for name in ("one", "two"):
        write_run(tmp_path / "results" / name, load_test({"a+g": 10_000, "b+g": 5_000}, id=name))


def _call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = run(command_line(), words, {GIVEN: ""})
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_a_bundle_is_written_and_found_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "a.tar.gz"
    status, out, err = _call(capsys, "bundle", "--run=one,two", f"--out={file}")
    assert (status, [one.name for one in file.parent.iterdir()]) == (0, ["a.tar.gz"])
    assert re.fullmatch(rf"wrote {file}, SHA-256 [0-9a-f]{{64}}\n", out)
    assert "without 2 locks that could not be found: a-0000000000000000.lock" in err
    status, out, err = _call(capsys, "verify", f"--bundle={file}")
    assert status == 0
    assert "without 2 locks" in err
    assert f"{file} is whole: 8 files with their SHA-256, and tables and pages are what the records give" in out
    assert "one: 16 visits, revision abc123, made on Toy, 2 cores" in out


def test_the_same_runs_give_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        _call(capsys, "bundle", "--run=one,two", f"--out={tmp_path / name}")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_runs_made_elsewhere_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.tar.gz"
    _call(capsys, "bundle", "--run=one,two", f"--out={file}")
    monkeypatch.setattr(store, "RESULTS", tmp_path / "elsewhere")
    status, out, err = _call(capsys, "import", f"--run={file}")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"imported {name}, made on Toy, 2 cores; to see it, run: make report RUN={name}" for name in ("one", "two")
    ]
    status, out, err = _call(capsys, "import", f"--run={file}")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "run one is already in" in err


def test_a_damaged_bundle_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.tar.gz"
    _call(capsys, "bundle", "--run=one", f"--out={file}")
    file.write_bytes(file.read_bytes()[:-50])
    status, out, err = _call(capsys, "verify", f"--bundle={file}")
    assert (status, out) == (2, "")
    assert err == f"error: BUNDLE={file} is cut off. Make it with make bundle, or get it again.\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["bundle", "--run=three"], "invalid RUN=three: must be a run's folder, or one of two, one."),
        (["bundle", "--run=one,one,"], "invalid RUN=(empty)"),
        (["bundle", "--run=one,one"], "RUN=one,one names a run twice. Name each once."),
        (["bundle"], "RUN= is not set"),
        (["verify"], "BUNDLE= is not set"),
        (["import"], "RUN= is not set"),
        (["import", "--run=nowhere"], "RUN=nowhere does not exist: must be a run's folder, or a file that make bundle"),
        (["verify", "--bundle=nowhere"], "BUNDLE=nowhere is not a file: must be one that"),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = _call(capsys, *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert reason in err


def test_an_interrupted_run_is_not_bundled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    visits = tmp_path / "results" / "one" / "visits.jsonl"
    visits.write_bytes(visits.read_bytes().partition(b"\n")[0] + b"\n")
    status, _, err = _call(capsys, "bundle", "--run=one", f"--out={tmp_path / 'a'}")
    assert (status, (tmp_path / "a").exists()) == (2, False)
    assert "was interrupted: must be a finished run" in err


def test_the_name_of_a_machine_prints_no_lines_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = load_test({"a+g": 10_000, "b+g": 5_000}, id="three")
    machine = replace(made.run.machine, cpu_model="Toy\nwrote x, SHA-256 0\x1b[2J")
    folder = write_run(tmp_path / "three", made)
    folder.describe(replace(made.run, machine=machine))
    status, out, _ = _call(capsys, "import", f"--run={folder.folder}")
    assert (status, out.count("\n")) == (0, 1)
    assert r"made on Toy\nwrote x, SHA-256 0\x1b[2J" in out


def test_a_report_names_the_machine_of_an_imported_run_and_holds_decisions_against_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "PUBLISHED", tmp_path / "published")
    made, file = load_test({"a+g": 30_000, "b+g": 5_000}, id="three"), tmp_path / "a.html"
    folder = write_run(tmp_path / "three", made)
    folder.describe(replace(made.run, machine=replace(made.run.machine, cpu_model="Another")))
    _call(capsys, "import", f"--run={folder.folder}")
    _call(capsys, "report", "--run=three", f"--out={file}")
    assert "1 run on Another, 2 cores" in file.read_text()
    _call(capsys, "report", f"--out={file}")
    assert "2 runs on Toy, 2 cores" in file.read_text()
    assert (
        "On another processor, Another, 1 of 1 pair decided here and compared there came out alike" in file.read_text()
    )
