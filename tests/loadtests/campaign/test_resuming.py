"""A killed run goes on to the end that it would have had, or says what has changed."""

import json
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from common.catalog.frameworks import FRAMEWORKS, frameworks
from common.catalog.servers import SERVERS
from common.catalog.stacks import Stack
from common.errors import UsageError
from common.host.machine import machine, revision
from common.project import ROOT
from common.records.run import Run
from common.records.window import Window
from common.runtimes.candidates import Candidate
from loadtests.runs import resuming
from loadtests.runs.manifest import cell_of
from loadtests.runs.plan import steps
from loadtests.runs.results import Results
from loadtests.runs.resuming import Resumed
from loadtests.runs.sides import Side
from tests.support.records import cell, load, run, window
from tests.support.waiting import wait_until

LINE = [sys.executable, "-m", "loadtests", "loadtest"]


def _loadtest(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LINE, *options], cwd=ROOT, capture_output=True, text=True, check=False)


def _step(one: Window) -> tuple[int, int, str]:
    return one.round, one.position, one.cell


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, str]:
    """A real run that was killed after its first window, and what a second run was told meanwhile."""
    folder = tmp_path_factory.mktemp("run") / "made"
    line = [*LINE, "--runtime=process", "--framework=raw_wsgi", "--rounds=2", "--seed=5", f"--out={folder}"]
    results = Results(folder=folder)
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as harness:
        try:
            wait_until((folder / "windows.jsonl").exists, deadline_s=90)
            second = _loadtest("--runtime=process", "--framework=raw_wsgi", "--rounds=1")
            assert second.returncode == 2
        finally:
            harness.kill()
    return results, second.stderr


def test_a_second_run_is_refused_with_the_id_of_the_first(killed: tuple[Results, str]) -> None:
    results, told = killed
    assert f"run {results.run().id} is under way" in told
    assert told.count("\n") == 1


def test_a_killed_run_is_resumed_with_its_seed_and_plan_to_its_end(killed: tuple[Results, str]) -> None:
    """What was half written is set aside, what was measured stays as it was."""
    results, _ = killed
    before = results.windows()
    with (results.folder / "windows.jsonl").open("ab") as file:
        file.write(b'{"run":"2026')
    ended = _loadtest(f"--resume={results.folder}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "set aside in windows.damaged" in ended.stdout
    windows = results.windows()
    assert windows[: len(before)] == before
    assert 1 <= len(before) < len(windows)
    made = results.run()
    assert [_step(one) for one in windows] == [
        (step.round, step.position, step.cell) for step in steps([cell.name for cell in made.cells], 2, 5)
    ]
    assert len(made.command_line) == 2
    assert [canary.round for canary in results.canaries()] == [1, 2]
    again = _loadtest(f"--resume={results.folder}")
    assert again.returncode == 0
    assert results.windows() == windows


@pytest.fixture
def made(tmp_path: Path) -> Results:
    """A run of a real stack, as it is here and now, that has made no window."""
    stack = Stack(framework=frameworks()["raw_wsgi"], server=SERVERS["gunicorn-gthread"])
    here = run([cell_of(Candidate(stack=stack), None)], revision=revision(), machine=machine())
    return Results.create(tmp_path / "run", replace(here, server_cores=[0], generator_cores=[0]))


def _resume(results: Results) -> tuple[Run, str]:
    console = Console(record=True, width=200, quiet=False)
    resumed, _ = Resumed.read(str(results.folder)).continued(console)
    return resumed, console.export_text()


def _changed_cell(results: Results, **changes: Any) -> None:  # noqa: ANN401 -- any field
    was = results.run()
    results.describe(replace(was, cells=[replace(was.cells[0], **changes)]))


def test_what_has_not_changed_goes_on_silently(made: Results) -> None:
    resumed, told = _resume(made)
    assert resumed.seed == made.run().seed
    assert "was" not in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lock_sha256": "0" * 64}, r"lock_sha256 of raw_wsgi\+gunicorn-gthread was 0{20}\.\.\. and is"),
        ({"packages": {"gunicorn": "1.0"}}, r"packages of raw_wsgi\+gunicorn-gthread was gunicorn 1\.0 and is"),
        ({"python": "3.1.4"}, r"python of raw_wsgi\+gunicorn-gthread was 3\.1\.4 and is"),
    ],
)
def test_a_changed_stack_is_refused_by_name(made: Results, changes: dict[str, Any], told: str) -> None:
    _changed_cell(made, **changes)
    with pytest.raises(UsageError, match=told):
        _resume(made)


def test_a_changed_machine_is_refused_by_name(made: Results) -> None:
    was = made.run()
    made.describe(replace(was, machine=replace(was.machine, cpu_model="Z80"), server_cores=[4096]))
    with pytest.raises(UsageError, match=r"cpu_model was Z80 and is .*; core 4096 cannot be used"):
        _resume(made)


def test_a_changed_revision_is_told_and_recorded(made: Results) -> None:
    made.describe(replace(made.run(), revision="0123456789ab"))
    resumed, told = _resume(made)
    assert "revision was 0123456789ab and is" in told
    assert len(resumed.command_line) == len(made.run().command_line) == 3


def test_a_framework_that_is_gone_is_named(made: Results) -> None:
    _changed_cell(made, framework="gone")
    with pytest.raises(UsageError, match="no longer here"):
        _resume(made)


def test_a_comparison_goes_on_by_its_own_verb(made: Results) -> None:
    made.describe(replace(made.run(), design="duet"))
    with pytest.raises(UsageError, match=rf"is a comparison \(duet\)\. Go on with: make compare RESUME={made.folder}"):
        Resumed.read(str(made.folder))
    made.describe(replace(made.run(), design="rounds"))
    with pytest.raises(UsageError, match=rf"is a load test\. Go on with: make loadtest RESUME={made.folder}"):
        Resumed.read(str(made.folder), comparison=True)


def test_latest_is_the_newest_run_of_its_kind_that_is_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "RESULTS", tmp_path)
    with pytest.raises(UsageError, match="RESUME=latest: no load test is unfinished"):
        Resumed.read("latest")
    one = run([cell("a+b")], rounds=1)
    for name in ("1-unfinished", "2-unfinished", "3-finished"):
        Results.create(tmp_path / name, one)
    Results.create(tmp_path / "4-duet", replace(one, design="duet", sides=["a+b"]))
    Results(folder=tmp_path / "3-finished").add(window("a+b", 1, load()))
    (tmp_path / "5-latency").mkdir()
    (tmp_path / "5-latency" / "run.json").write_text('{"verb": "latency"}')
    assert Resumed.read("latest").results.folder.name == "2-unfinished"
    assert Resumed.read("latest", comparison=True).results.folder.name == "4-duet"


def test_a_comparison_that_was_killed_is_resumed_to_the_sentence_of_an_unbroken_one(tmp_path: Path) -> None:
    """A round of which one window is on disk is made again: neither server had a core for itself."""
    slow, folder = tmp_path / "slow", tmp_path / "made"
    shutil.copytree(FRAMEWORKS / "raw_wsgi", slow, ignore=shutil.ignore_patterns("__pycache__"))
    line = [sys.executable, "-m", "loadtests", "compare"]
    begun = [*line, "--a=raw_wsgi", f"--b={slow}", "--rounds=5", "--seed=5", f"--out={folder}"]
    results = Results(folder=folder)
    with subprocess.Popen(begun, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as harness:
        try:
            wait_until(lambda: (folder / "windows.jsonl").exists() and len(results.windows()) >= 3, deadline_s=90)
        finally:
            harness.kill()
    lines = (folder / "windows.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "windows.jsonl").write_bytes(b"".join(lines[:3]))
    kept = results.windows()[:2]
    ended = subprocess.run([*line, f"--resume={folder}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "is only half written: set aside in windows.damaged" in ended.stdout
    windows = results.windows()
    assert windows[: len(kept)] == kept
    assert [_step(one) for one in windows] == [
        (step.round, step.position, step.cell) for step in steps(["raw_wsgi", str(slow)], 5, 5)
    ]
    for first, second in zip(windows[::2], windows[1::2], strict=True):
        assert abs(first.started_at - second.started_at) < timedelta(seconds=1)
    assert re.search("is faster|is slower|equivalent|undecided", ended.stdout.splitlines()[-1])
    (slow / "app.py").write_text((slow / "app.py").read_text() + "\n# another app\n")
    again = subprocess.run([*line, f"--resume={folder}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert f"source_digest of {slow} was " in again.stderr


@pytest.mark.parametrize(
    ("changes", "verb"),
    [
        ({"design": "alternation", "command_line": ["python -m loadtests crosscheck --rounds=2"]}, "make crosscheck"),
        ({"design": "duet", "command_line": ["python -m loadtests compare --a=x"]}, "make compare"),
        ({"design": "duet", "command_line": []}, "another command"),
    ],
)
def test_only_a_load_test_is_compared_with_another(made: Results, changes: dict[str, Any], verb: str) -> None:
    made.describe(replace(made.run(), **changes))
    made.add(window("a+b", 1, load()))
    with pytest.raises(UsageError, match=f"A=.* was written by {verb}. Accepted: a finished"):
        Side.parse(str(made.folder), "A")


def test_a_crosscheck_is_not_resumed(made: Results) -> None:
    made.describe(replace(made.run(), design="alternation", command_line=["python -m loadtests crosscheck"]))
    with pytest.raises(UsageError, match=r"RESUME=.* was written by make crosscheck\. Accepted: a load test or a comp"):
        Resumed.read(str(made.folder))


def test_another_probes_folder_is_refused_in_one_line(made: Results) -> None:
    inner = {"scenario": "rate", "command_line": ["python -m loadtests latency"]}
    for text, told in (
        (json.dumps({"verb": "latency", "run": inner}), "was written by make latency"),
        ('{"command_line": ["python -m loadtests startup"]}', "was written by make startup"),
        ("{", "cannot be read: "),
    ):
        (made.folder / "run.json").write_text(text)
        with pytest.raises(UsageError, match=told) as seen:
            Resumed.read(str(made.folder))
        assert "\n" not in str(seen.value)
