"""Measuring as a user starts it: real frameworks on real servers, a table, records, nothing left behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from common.catalog.frameworks import FRAMEWORKS
from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import DEFAULT
from common.host.cores import split_cores
from common.project import ROOT
from common.records.load import LoadSpec
from common.records.run import CompareRun, Design, LoadRun, Stopping
from common.records.schema import decode
from common.records.share import Shares
from common.records.summary import Decision, Summary, Verdict
from common.records.window import Window
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.campaign.manifest import cell_of, setup_for
from loadtests.campaign.plan import planned_visits
from loadtests.campaign.store import DAMAGED, VISITS, RunFolder
from loadtests.experiments.compare.sides import Side, both_candidates
from tests.support.here import SHORT, real_candidate, run_fields, short_load_run
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

LINE = [sys.executable, "-m", "tests.support.briefly"]


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LINE, *words], cwd=ROOT, capture_output=True, text=True, check=False)


def _loadtest(*options: str) -> subprocess.CompletedProcess[str]:
    ended = _run("loadtest", "--runtime=process", *options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def _windows(folder: Path) -> list[Window]:
    return [one for one in RunFolder(folder=folder).visits() if isinstance(one, Window)]


def _steps(folder: Path) -> list[tuple[int, int, str]]:
    return [(one.round, one.position, one.cell) for one in _windows(folder)]


def _summary(folder: Path) -> Summary:
    file = folder / "summary.json"
    summary: Summary = decode(file.read_bytes(), Summary, what="summary", source=file.name)
    return summary


def _planned(names: list[str], rounds: int, seed: int) -> list[tuple[int, int, str]]:
    return [(one.round, one.position, one.cell) for one in planned_visits(Window, names, rounds, seed)]


@contextmanager
def _begun(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a run, which is killed in the end if it still goes on."""
    with subprocess.Popen([*LINE, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as harness:
        try:
            yield harness
        finally:
            harness.kill()


def _wait_for_windows(folder: Path, count: int) -> None:
    file = folder / VISITS
    wait_until(lambda: file.exists() and len(_windows(folder)) >= count, deadline_s=90)


@pytest.mark.parallel
@pytest.mark.long
def test_a_load_test_prints_a_table_that_agrees_with_its_records(tmp_path: Path) -> None:
    servers = "--server=gunicorn-gthread,gunicorn-sync"
    ended = _loadtest("--framework=falcON", servers, "--rounds=1", "--seed=11", f"--out={tmp_path}")
    run = RunFolder(folder=tmp_path).run()
    assert isinstance(run, LoadRun)
    assert _steps(tmp_path) == _planned([cell.name for cell in run.cells], 1, 11)
    assert all(cell.conformance is not None and not cell.conformance.failed for cell in run.cells)
    for window in _windows(tmp_path):
        assert window.error is None
        assert window.load is not None
        assert window.load.failures == {}
        assert window.load.requests > 100
        assert window.load.server_cpu_s is not None
        assert 0 < window.load.server_cpu_s / window.load.duration_s <= 1.1
        assert window.load.reconnects is not None
        if "gunicorn-sync" in window.cell:
            assert window.load.reconnects >= window.load.requests - window.load.users
    assert "falcon+gunicorn-sync (closing)" in ended.stdout
    for row in _summary(tmp_path).cells:
        assert Verdict.TOO_FEW_ROUNDS in row.doubts
        assert row.rank is None
        assert row.requests_per_cpu_s is not None
        assert f"{row.requests_per_cpu_s.estimate:,.0f}" in ended.stdout
    assert "process runtime, as asked for" in ended.stderr
    assert f"written to {tmp_path}" in ended.stderr


@pytest.mark.long
def test_a_framework_has_a_smaller_share_of_a_request_that_reads_a_row(tmp_path: Path) -> None:
    for scenario in ("hello", "order"):
        place = f"--out={tmp_path / scenario}"
        _loadtest("--framework=raw_asgi,fastapi", f"--scenario={scenario}", "--rounds=1", place)
    ended = _run("shares", f"--run={tmp_path / 'hello'},{tmp_path / 'order'}", "--format=json")
    rows = decode(ended.stdout, Shares, what="shares", source="standard output").rows
    found = {(row.scenario, row.subject.framework): row for row in rows}
    hello, order, floor = (found[key] for key in (("hello", "fastapi"), ("order", "fastapi"), ("order", "raw_asgi")))
    assert hello.share is not None
    assert order.share is not None
    assert 0.3 < order.share.estimate < hello.share.estimate < 0.9
    assert order.framework_s is not None
    assert order.framework_s.estimate == pytest.approx(order.share.estimate * order.cost_s.estimate, rel=0.05)
    assert (order.server_s, order.work_s) == (None, None)  # the floor's hello is in doubt after one round
    assert order.database_s is not None
    assert order.database_s.estimate > 10e-6
    assert (hello.database_s, floor.framework_s) == (None, None)
    assert "too-few-rounds" in order.doubts


@contextmanager
def _own_server() -> Iterator[tuple[int, str]]:
    """Run a server that is none of this project's stacks, on the cores that servers have; yield its PID and URL."""
    line = [sys.executable, "-m", "tests.common.conformance.good_server"]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            for thread in psutil.Process(process.pid).threads():
                os.sched_setaffinity(thread.id, split_cores(1).server)
            yield process.pid, url
        finally:
            process.kill()


@pytest.mark.parallel
@pytest.mark.long
def test_quotes_are_posted_to_the_service_and_checked_whole_and_frameworks_without_one_are_named(
    tmp_path: Path,
) -> None:
    frameworks = "--framework=raw_wsgi,fastapi,microdot"
    ended = _loadtest("--scenario=quotes", frameworks, "--rounds=1", f"--out={tmp_path / 'run'}")
    assert "microdot+uvicorn is not available: its service.py is not written yet" in ended.stderr
    run = RunFolder(folder=tmp_path / "run").run()
    assert isinstance(run, LoadRun)
    assert {cell.framework: cell.app for cell in run.cells} == {"raw_wsgi": "service", "fastapi": "service"}
    assert all("service:app" in cell.command for cell in run.cells)
    for window in _windows(tmp_path / "run"):
        assert window.load is not None
        assert window.load.requests > 0
        assert window.load.failures == {}


def test_a_server_of_ones_own_is_measured_by_requests_of_ones_own(tmp_path: Path) -> None:
    paths = tmp_path / "paths.toml"
    paths.write_text(
        "[[request]]\npath = '/hello'\nweight = 3\n[[request]]\npath = '/x'\nmethod = 'PUT'\nstatus = 404\n"
    )
    with _own_server() as (pid, url):
        options = [f"--url={url}", f"--paths={paths}", f"--pid={pid}", "--rounds=1", f"--out={tmp_path / 'out'}"]
        ended = _run("loadtest", *options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (window,) = _windows(tmp_path / "out")
    assert window.load is not None
    assert window.load.failures == {}
    assert window.load.requests > 100
    assert window.load.server_cpu_s is not None
    assert 0.1 < window.load.server_cpu_s / window.load.duration_s <= 1.1
    assert "(guest)" in ended.stdout
    assert "paths: 1 vCPU" in ended.stdout


def _slices() -> LoadRun:
    return short_load_run(real_candidate(), Design.SLICED, rounds=999)


def _mixed_windows() -> LoadRun:
    """Return a run of mixed requests, some of which sleep, on a framework that serves them concurrently."""
    load = LoadSpec(scenario="mixed", users=16, delay_ms=20, warmup_s=0.1, window_s=1.0)
    return short_load_run(real_candidate("starlette+uvicorn"), Design.ALONE, rounds=999, load=load)


@pytest.mark.parallel
@pytest.mark.parametrize(
    ("number", "made", "generator", "least_s"),
    [(signal.SIGINT, _slices, "loadtests.timing.slices", 0.0), (signal.SIGKILL, _mixed_windows, "locust", 0.020)],
)
def test_nothing_is_lost_or_left_when_a_run_is_killed(
    tmp_path: Path, number: signal.Signals, made: Callable[[], LoadRun], generator: str, least_s: float
) -> None:
    """The windows made so far stay readable, and server and generator are gone."""
    out = RunFolder.create(tmp_path / "out", made()).folder
    with _begun("loadtest", f"--resume={out}") as harness:
        _wait_for_windows(out, 1)
        wait_until(lambda: _runs_below(harness.pid, generator), deadline_s=30)
        started = psutil.Process(harness.pid).children(recursive=True)
        os.kill(harness.pid, number)
        harness.wait(timeout=30)
    wait_until(lambda: not any(process.is_running() for process in started))
    assert len(_windows(out)) >= 1
    for window in _windows(out):
        assert window.load is not None
        assert window.load.failures == {}
        assert window.load.latency_s is not None
        assert window.load.latency_s.max >= least_s
    if number != signal.SIGKILL:
        assert harness.returncode == 130
        assert re.search(r'"too-few-rounds": ', (out / "summary.json").read_text())


def _runs_below(pid: int, module: str) -> bool:
    """Return whether any descendant of process ``pid`` runs ``module``."""
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if module in process.cmdline():
                return True
    return False


@pytest.mark.parallel
@pytest.mark.long
def test_a_running_load_test_refuses_a_second_one_and_is_resumed_after_a_kill(tmp_path: Path) -> None:
    """A half-written line is set aside, and earlier measurements are unchanged."""
    out = tmp_path / "out"
    results = RunFolder(folder=out)
    options = ("--framework=raw_wsgi", "--scenario=sleep", "--rounds=2", "--seed=5", f"--out={out}")
    with _begun("loadtest", "--runtime=process", *options):
        _wait_for_windows(out, 1)
        second = _run("loadtest", "--runtime=process", "--framework=raw_wsgi", "--rounds=1")
    assert second.returncode == 2
    assert f"run {results.run().id} is in progress" in second.stderr
    before = results.visits()
    with (out / VISITS).open("ab") as file:
        file.write(b'{"kind":"window","run":"2026')
    ended = _run("loadtest", f"--resume={out}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"moved it to {DAMAGED}" in ended.stderr
    visits = results.visits()
    assert visits[: len(before)] == before
    assert 1 <= len(before) < len(visits)
    run = results.run()
    assert isinstance(run, LoadRun)
    assert _steps(out) == _planned([cell.name for cell in run.cells], 2, 5)
    assert len(run.command_line) == 2
    again = _run("loadtest", f"--resume={out}")
    assert again.returncode == 0
    assert results.visits() == visits


def _copy(folder: Path) -> Path:
    shutil.copytree(FRAMEWORKS / "raw_wsgi", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A copy of a framework's folder that is busy for as long again before each response."""
    folder = _copy(tmp_path / "slow")
    app = (folder / "app.py").read_text()
    busy = "def app(environ, start_response):\n    for _ in range(20000):\n        pass\n"
    (folder / "app.py").write_text(app.replace("def app(environ, start_response):\n", busy))
    return folder


@pytest.mark.parallel
@pytest.mark.long
def test_a_slow_copy_is_called_slower_and_fails_the_command(slow: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--a=raw_wsgi", f"--b={slow}", "--rounds=5", "--fail-if-slower=3", f"--out={out}"]
    ended = _run("compare", *options)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert f"{slow} is slower than raw_wsgi by " in ended.stdout.splitlines()[-1]
    assert "more than --fail-if-slower=3.0% allows" in ended.stderr
    run = RunFolder(folder=out).run()
    assert isinstance(run, CompareRun)
    assert run.design is Design.DUET
    assert [pair.decision for pair in _summary(out).pairs] == [Decision.DIFFERENT]
    windows = _windows(out)
    assert [(one.round, one.error) for one in windows] == [(number, None) for number in range(1, 6) for _ in range(2)]
    for first, second in zip(windows[::2], windows[1::2], strict=True):
        assert {first.cell, second.cell} == {"raw_wsgi", str(slow)}
        assert abs(first.started_at - second.started_at) < timedelta(seconds=1)
        assert first.load is not None
        assert second.load is not None
        # one core for both: neither had more than its share while the other was loaded too
        assert (first.load.server_cpu_s or 9) + (second.load.server_cpu_s or 9) < 1.2 * first.load.duration_s
    again = _run("compare", f"--resume={out}")
    assert (again.returncode, again.stdout) == (1, ended.stdout)
    assert _windows(out) == windows


@pytest.mark.parallel
def test_requests_of_ones_own_are_sent_to_both_sides_in_slices(slow: Path, tmp_path: Path) -> None:
    """An app that is not the contract's can be compared so: nothing but these requests is asked of it."""
    app = slow / "app.py"
    app.write_text(app.read_text().replace('"sleep"', '"slept"'))
    paths, out = tmp_path / "paths.toml", tmp_path / "out"
    paths.write_text('[[request]]\npath = "/hello?q=1"\n[[request]]\npath = "/nothing"\nstatus = 404\n')
    ended = _run("compare", "--a=raw_wsgi", f"--b={slow}", f"--paths={paths}", "--rounds=1", f"--out={out}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "paths: 1 vCPU" in ended.stdout
    run, windows = RunFolder(folder=out).run(), _windows(out)
    assert isinstance(run, CompareRun)
    assert run.design is Design.SLICED
    assert [cell.conformance and cell.conformance.passed for cell in run.cells] == [2, 2]
    loads = {window.cell: window.load for window in windows}
    values = {cell: requests_per_cpu_s(load) or 0 for cell, load in loads.items()}
    assert values["raw_wsgi"] > 1.2 * values[str(slow)]


def _comparison_with(copy: Path) -> CompareRun:
    """Return a comparison in three rounds, whose windows last a fraction of a second."""
    a, b = Side.parse("raw_wsgi", "A"), Side.parse(str(copy), "B")
    candidates = both_candidates(a, b, Runtime.PROCESS, DEFAULT)
    return CompareRun(
        **run_fields(3),
        design=Design.DUET,
        stopping=Stopping(fewest_rounds=3),
        setup=setup_for(SHORT, Size(), Runtime.PROCESS),
        cells=[cell_of(candidate, None) for candidate in candidates],
        sides=[a.text, b.text],
        server_asked=DEFAULT,
    )


@pytest.mark.parallel
def test_a_comparison_that_was_killed_is_resumed_to_the_sentence_of_an_unbroken_one(tmp_path: Path) -> None:
    """A round with only one window on disk is repeated, since its servers shared their cores."""
    copy = _copy(tmp_path / "copy")
    made = _comparison_with(copy)
    out = RunFolder.create(tmp_path / "out", made).folder
    with _begun("compare", f"--resume={out}"):
        _wait_for_windows(out, 3)
    lines = (out / VISITS).read_bytes().splitlines(keepends=True)
    (out / VISITS).write_bytes(b"".join(lines[:3]))  # both windows of a round, and one of the next
    kept = _windows(out)[:2]
    ended = _run("compare", f"--resume={out}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"the last round is incomplete; moved it to {DAMAGED}" in ended.stderr
    windows = _windows(out)
    assert windows[: len(kept)] == kept
    assert _steps(out) == _planned(["raw_wsgi", str(copy)], 3, made.seed)
    for first, second in zip(windows[::2], windows[1::2], strict=True):
        assert abs(first.started_at - second.started_at) < timedelta(seconds=1)
    assert re.search("is faster|is slower|equivalent|undecided", ended.stdout.splitlines()[-1])
    (copy / "app.py").write_text((copy / "app.py").read_text() + "\n# another app\n")
    again = _run("compare", f"--resume={out}")
    assert again.returncode == 2
    assert f"source_digest of {copy} was " in again.stderr
