"""Two against each other, as a user starts it: both loaded at once, one sentence, an exit status."""

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from common.catalog.frameworks import FRAMEWORKS
from common.errors import FailedError, UsageError
from common.project import ROOT
from common.records.schema import decode
from common.records.summary import Decision, Summary
from loadtests.runs.across_runs import across_runs
from loadtests.runs.compare import fail_if_slower, say
from loadtests.runs.results import Results
from tests.support.records import cell, load, run, window


def _compare(*options: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "loadtests", "compare", *options]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A copy of a framework's folder that is busy for as long again before each answer."""
    folder = tmp_path / "slow"
    shutil.copytree(FRAMEWORKS / "raw_wsgi", folder, ignore=shutil.ignore_patterns("__pycache__"))
    app = (folder / "app.py").read_text()
    busy = "def app(environ, start_response):\n    for _ in range(20000):\n        pass\n"
    (folder / "app.py").write_text(app.replace("def app(environ, start_response):\n", busy))
    return folder


def test_a_slow_copy_is_told_to_be_slower_and_fails_the_command(slow: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = _compare("--a=raw_wsgi", f"--b={slow}", "--rounds=5", "--fail-if-slower=3", f"--out={out}")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert f"{slow} is slower than raw_wsgi by " in ended.stdout.splitlines()[-1]
    assert "FAIL_IF_SLOWER is 3.0%" in ended.stderr
    results = Results(folder=out)
    assert results.run().design == "duet"
    summary: Summary = decode((out / "summary.json").read_bytes(), Summary, source="summary.json")
    assert [pair.decision for pair in summary.pairs] == [Decision.DIFFERENT]
    windows = results.windows()
    assert [(one.round, one.error) for one in windows] == [(number, None) for number in range(1, 6) for _ in range(2)]
    for first, second in zip(windows[::2], windows[1::2], strict=True):
        assert {first.cell, second.cell} == {"raw_wsgi", str(slow)}
        assert abs(first.started_at - second.started_at) < timedelta(seconds=1)
        assert first.load is not None
        assert second.load is not None
        # one core for both: neither had more than its share while the other was loaded too
        assert (first.load.server_cpu_s or 9) + (second.load.server_cpu_s or 9) < 1.2 * first.load.duration_s


def _finished(folder: Path, name: str, requests: int, **changes: object) -> Results:
    made = run([cell("a+b"), cell(f"only+{name}")], id=name, **changes)
    results = Results.create(folder / name, made)
    for number in range(1, 6):
        results.add(window("a+b", number, load(requests + 10 * number)))
    return results


def test_of_two_finished_runs_the_cells_that_both_have_are_compared(tmp_path: Path) -> None:
    old, new = _finished(tmp_path, "old", 10_000), _finished(tmp_path, "new", 9_000)
    (pair,) = across_runs(old, new, 0.05)
    assert (pair.a, pair.b, pair.decision) == ("a+b of old", "a+b of new", Decision.DIFFERENT)
    console = Console(record=True, width=200)
    say(pair, 0.05, console)
    assert "a+b of new is slower than a+b of old by 10.0%" in console.export_text()
    with pytest.raises(FailedError, match=r"is slower by 10\.0%; FAIL_IF_SLOWER is 3\.0%"):
        fail_if_slower([pair], 0.03)
    fail_if_slower([pair], 0.2)
    (same,) = across_runs(old, old, 0.05)
    assert same.decision is Decision.EQUIVALENT


def test_runs_that_were_not_made_alike_are_refused(tmp_path: Path) -> None:
    old, new = _finished(tmp_path, "old", 10_000), _finished(tmp_path, "new", 9_000, users=64)
    with pytest.raises(UsageError, match="old has users 16 and new has 64"):
        across_runs(old, new, 0.05)


def test_a_run_is_not_compared_with_a_stack(tmp_path: Path) -> None:
    old = _finished(tmp_path, "old", 10_000)
    ended = _compare(f"--a={old.folder}", "--b=falcon")
    assert ended.returncode == 2
    assert "a finished run is compared with another finished run" in ended.stderr
