"""A killed run goes on to the end that it would have had, or says what has changed."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from common.candidates import Candidate
from common.errors import UsageError
from common.machine import machine, revision
from common.matrix import Stack
from common.records import Run, Window
from common.registry import ROOT, frameworks
from common.servers import SERVERS
from loadtests.runs.manifest import cell_of
from loadtests.runs.plan import steps
from loadtests.runs.results import Results
from loadtests.runs.resuming import Resumed
from tests.records import load, run, window
from tests.waiting import wait_until

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


def test_a_comparison_is_not_resumed(made: Results) -> None:
    made.describe(replace(made.run(), design="duet"))
    made.add(window("a+b", 1, load()))
    with pytest.raises(UsageError, match="is a comparison"):
        Resumed.read(str(made.folder))
