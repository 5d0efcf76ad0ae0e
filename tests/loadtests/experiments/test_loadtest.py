"""The main job, as a user starts it: real frameworks on real servers, a table, records, nothing left behind."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from common.project import ROOT
from common.records.run import Run
from common.records.schema import decode
from common.records.summary import Summary, Verdict
from common.records.window import Window
from loadtests.runs.plan import steps
from tests.support.waiting import wait_until

LINE = [sys.executable, "-m", "loadtests", "loadtest"]


def _loadtest(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LINE, *options], cwd=ROOT, capture_output=True, text=True, check=False)


def _windows(folder: Path) -> list[Window]:
    return msgspec.json.Decoder(Window).decode_lines((folder / "windows.jsonl").read_bytes())


def test_frameworks_end_in_a_table_and_in_records_that_agree(tmp_path: Path) -> None:
    ended = _loadtest(
        "--runtime=process", "--framework=falcON,raw-asgi", "--rounds=2", "--seed=11", f"--out={tmp_path}"
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    run = decode((tmp_path / "run.json").read_bytes(), Run, source="run.json")
    windows = _windows(tmp_path)
    planned = [(step.round, step.position, step.cell) for step in steps([cell.name for cell in run.cells], 2, 11)]
    assert [(window.round, window.position, window.cell) for window in windows] == planned
    assert all(cell.conformance is not None and not cell.conformance.failed for cell in run.cells)
    for window in windows:
        assert window.error is None
        assert window.load is not None
        assert window.load.failures == {}
        assert window.load.requests > 1000
        assert window.load.server_cpu_s is not None
        assert 0 < window.load.server_cpu_s / window.load.duration_s <= 1.1
    summary = decode((tmp_path / "summary.json").read_bytes(), Summary, source="summary.json")
    for row in summary.cells:
        assert Verdict.TOO_FEW_ROUNDS in row.doubts
        assert row.rank is None
        assert row.requests_per_cpu_s is not None
        assert f"{row.requests_per_cpu_s.estimate:,.0f}" in ended.stdout
    assert "process runtime, as asked for" in ended.stdout


def test_a_closing_server_is_measured_and_labelled(tmp_path: Path) -> None:
    ended = _loadtest(
        "--runtime=process", "--framework=raw_wsgi", "--server=gunicorn-sync", "--rounds=1", f"--out={tmp_path}"
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    window, _ = _windows(tmp_path)
    assert window.load is not None
    assert window.load.failures == {}
    assert window.load.reconnects is not None
    assert window.load.reconnects >= window.load.requests - window.load.users
    assert "(closing)" in ended.stdout


@pytest.mark.parametrize("scenario", ["sleep", "mixed"])
def test_every_scenario_runs_on_a_real_stack(tmp_path: Path, scenario: str) -> None:
    ended = _loadtest(
        "--runtime=process", "--framework=starlette", f"--scenario={scenario}", "--delay=20", "--rounds=1",
        f"--out={tmp_path}",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    window, _ = _windows(tmp_path)
    assert window.load is not None
    assert window.load.failures == {}
    assert window.load.latency_s is not None
    assert window.load.latency_s.max >= 0.020


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_lost_or_left_when_a_run_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    """The windows made so far stay readable, and server and generator are gone."""
    line = [*LINE, "--runtime=process", "--framework=raw_wsgi", "--rounds=9", f"--out={tmp_path}"]
    file = tmp_path / "windows.jsonl"
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as harness:
        wait_until(lambda: file.exists() and bool(file.read_bytes()), deadline_s=60)
        wait_until(lambda: bool(_generators(harness.pid)), deadline_s=30)
        started = psutil.Process(harness.pid).children(recursive=True)
        os.kill(harness.pid, number)
        harness.wait(timeout=30)
    wait_until(lambda: not any(process.is_running() for process in started))
    assert len(_windows(tmp_path)) >= 1
    if number != signal.SIGKILL:
        assert re.search(r'"too-few-rounds": ', (tmp_path / "summary.json").read_text())


def _generators(pid: int) -> list[psutil.Process]:
    """The Locust processes below ``pid``."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            if any("locustfile" in word for word in process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found
