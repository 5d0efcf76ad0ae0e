"""A= and B= name stacks and runs; unknown ones are refused with what is accepted."""

import sys
from pathlib import Path

import pytest

from common.catalog.frameworks import FRAMEWORKS, frameworks
from common.catalog.runtimes import Runtime
from common.errors import UsageError
from common.project import ROOT
from common.records.run import Design, Run
from loadtests.campaign.store import RunFolder
from loadtests.experiments import sides
from loadtests.experiments.sides import Side, both_candidates
from tests.support.records import cell, compare_run, run

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("falcON", ("falcon", None, None, None, None)),
        ("fastapi+granian", ("fastapi", "granian", None, None, None)),
        ("falcon@4.2.0", ("falcon", None, "4.2.0", None, None)),
        ("falcon:alpine", ("falcon", None, None, "alpine", None)),
        ("falcon:py3.12", ("falcon", None, None, None, "3.12")),
        ("falcon@4.2.0+granian:slim-py3.12", ("falcon", "granian", "4.2.0", "slim", "3.12")),
        ("falcon+granian@2.0.0:slim", ("falcon", "granian@2.0.0", None, "slim", None)),
        ("falcon+granian@slim", ("falcon", "granian", None, "slim", None)),
        ("falcon@4.2.0+granian@2.0.0", ("falcon", "granian@2.0.0", "4.2.0", None, None)),
    ],
)
def test_a_stack_is_named_by_framework_server_version_image_and_python(
    text: str, expected: tuple[str | None, ...]
) -> None:
    side = Side.parse(text, "A")
    assert (side.framework, side.server, side.version, side.image, side.python) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flacon", "A=flacon is unknown. Did you mean falcon?"),
        ("", r"A=\(empty\)"),
        ("falcon:slimmer", "A=slimmer is unknown. Did you mean slim?"),
        ("./nowhere", r"A=\./nowhere does not exist: must be FRAMEWORK"),
        ("falcon@./nowhere", r"A=\./nowhere does not exist"),
        ("falcon:py9", r"invalid A=\.\.\.py9: must be a version such as py3\.12"),
        ("./tests", r"A=\./tests holds neither pyproject\.toml nor setup\.py"),
        ("./" + "a" * 300, r"A=\./a+ does not exist"),
        ("~nobody-of-this-name/x", r"A=~nobody-of-this-name/x does not exist"),
        ("falcon:pythree", "A=pythree is unknown"),
    ],
)
def test_what_is_unknown_is_named_with_what_is_accepted(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Side.parse(text, "A")


def test_a_finished_run_is_found_by_its_folder(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, run([cell("a+b")]))
    assert Side.parse(str(tmp_path), "B").run == folder


def test_a_finished_run_is_found_by_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides, "RESULTS", tmp_path)
    folder = RunFolder.create(tmp_path / "20260102-loadtest-1", run([cell("a+b")]))
    assert Side.parse("20260102-loadtest-1", "B").run == folder


@pytest.mark.parametrize(
    ("made", "command"),
    [
        (compare_run([cell("a+b")], design=Design.DUET), "make compare"),
        (RunFolder(folder=ROOT / "tests" / "golden" / "schema-2" / "startup").run(), "make startup"),
    ],
)
def test_only_a_load_test_is_compared_with_another(tmp_path: Path, made: Run, command: str) -> None:
    RunFolder.create(tmp_path, made)
    with pytest.raises(UsageError, match=f"A=.* was written by {command}: must be a finished load test or a stack"):
        Side.parse(str(tmp_path), "A")


def test_a_run_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UsageError, match=r"run\.json is not a valid run"):
        Side.parse(str(tmp_path), "A")


@pytest.mark.parametrize(("where", "needs"), [("falcon", False), ("falcon:slim", True), ("falcon:py3.13", False)])
def test_an_image_needs_docker(where: str, *, needs: bool) -> None:
    assert Side.parse(where, "A").needs_docker() is needs


def test_a_stack_against_itself_has_two_names() -> None:
    side = Side.parse("raw_wsgi", "A")
    assert [one.name for one in both_candidates(side, side, Runtime.PROCESS, "default")] == ["raw_wsgi", "raw_wsgi#2"]


def test_a_folder_like_those_under_frameworks_is_a_framework_on_the_other_sides_server(tmp_path: Path) -> None:
    folder = tmp_path / "raw_wsgi"
    folder.mkdir()
    for file in (FRAMEWORKS / "raw_wsgi").glob("*.*"):
        (folder / file.name).write_bytes(file.read_bytes())
    a, b = Side.parse("raw_wsgi+gunicorn-sync", "A"), Side.parse(str(folder), "B")
    ours, theirs = both_candidates(a, b, Runtime.PROCESS, "default")
    assert theirs.stack.framework.folder == folder
    assert theirs.stack.framework.name not in frameworks()
    assert theirs.stack.server == ours.stack.server


def test_a_python_is_found_by_its_version() -> None:
    side = Side.parse(f"raw_wsgi:py{PYTHON}", "A")
    assert side.candidate(side, Runtime.PROCESS, "default").interpreter is not None
    missing = Side.parse("raw_wsgi:py3.2", "A")
    with pytest.raises(UsageError, match=r"Python 3\.2 is not installed here"):
        missing.candidate(missing, Runtime.PROCESS, "default")


def test_several_servers_are_refused() -> None:
    side = Side.parse("falcon", "A")
    with pytest.raises(UsageError, match="A=falcon selects 7 stacks"):
        side.candidate(side, Runtime.PROCESS, "all")


def test_a_checkout_of_an_unknown_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "left-pad"\n')
    side = Side.parse(str(tmp_path), "B")
    with pytest.raises(UsageError, match="holds left-pad, which is not a framework here"):
        side.candidate(Side.parse("falcon", "A"), Runtime.PROCESS, "default")
