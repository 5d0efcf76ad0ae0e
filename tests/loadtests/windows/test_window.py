"""Locust, started as the runner starts it, measures a window; and is still Locust."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from common.project import ROOT
from common.records.schema import decode
from common.records.window import Load
from loadtests.users import histogram
from tests.support.servers import CLOSE, KEEP, Behaviour, Client, serving

USERS = 4
DEADLINE_S = 60


def keep_alive(client: Client, _: int) -> bool:
    return client.send(KEEP)


def closing(client: Client, _: int) -> bool:
    client.send(CLOSE)
    return False


def sometimes_wrong(client: Client, number: int) -> bool:
    return client.send(KEEP if number % 5 else KEEP.replace(b"world", b"w0rld"))


def locust(port: int, *options: str, scenario: str = "Hello", users: int = USERS) -> subprocess.CompletedProcess[str]:
    """Locust's end, with no more output than its messages."""
    start = (sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--headless", "--only-summary")
    load = ("-u", str(users), "-r", str(users), "--host", f"http://127.0.0.1:{port}")
    command = [*start, *load, *options, scenario]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            out, err = process.communicate(timeout=DEADLINE_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # workers, should any be left
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def window(
    file: Path,
    port: int,
    *options: str,
    meter: str = f"tree:{os.getpid()}",
    scenario: str = "Hello",
    users: int = USERS,
) -> Load:
    """The record of a short window."""
    times = ("--warmup-s=0.2", "--window-s=1", "--opening-s=1")
    done = locust(port, f"--window-file={file}", f"--meter={meter}", *times, *options, scenario=scenario, users=users)
    assert done.returncode == 0, done.stderr
    assert list(file.parent.iterdir()) == [file]
    load: Load = decode(file.read_bytes(), Load, source=file.name)
    return load


@pytest.mark.parametrize("behaviour", [keep_alive, closing, sometimes_wrong])
def test_a_window_holds_what_was_done_in_it_and_adds_up(behaviour: Behaviour, tmp_path: Path) -> None:
    core = max(os.sched_getaffinity(0))
    with serving(behaviour) as server:
        seen = window(tmp_path / "w.json", server.address[1], f"--cores={core}", f"--server-cores={core}")
        assert seen.server_gone is None
        assert 1 <= seen.duration_s < 1.1
        assert 0 < seen.requests < server.requests
        assert seen.answered == seen.requests + sum(seen.failures.values())
        assert abs(seen.sent - seen.answered) <= USERS
        assert seen.reconnects == (pytest.approx(seen.answered, abs=USERS) if behaviour is closing else 0)
        assert (seen.users, seen.connections_open_min, seen.in_flight) == (USERS, USERS, USERS)
        assert seen.failures.keys() == ({"wrong body"} if behaviour is sometimes_wrong else set())
        if behaviour is not closing:  # a closing server leaves its users without a request between two connections
            assert seen.littles_law_ratio == pytest.approx(seen.requests / seen.answered, rel=0.05)
        assert seen.server_cpu_s is not None
        assert 0 < seen.generator_cpu_s + seen.server_cpu_s < 3
        assert seen.server_cores_busy_s is not None
        assert seen.generator_cpu_s - 0.2 < seen.server_cores_busy_s < seen.duration_s + 0.1
        assert seen.server_steal_s == pytest.approx(seen.steal_s)
        assert seen.generator_run_delay_s >= 0 <= seen.steal_s <= seen.steal_all_s + 1e-6
        assert seen.latency_s is not None
        assert seen.latency_s.p50 <= seen.latency_s.p99 <= seen.latency_s.p999 <= seen.latency_s.max * 1.004
        assert sum(histogram.dense(seen.histogram)) == seen.requests


def test_a_server_that_dies_in_the_window_is_a_record_that_says_so(tmp_path: Path) -> None:
    with serving(keep_alive) as server:

        def vanish_when_busy() -> None:
            deadline_s = time.monotonic() + DEADLINE_S
            while server.requests < 1000 and time.monotonic() < deadline_s:
                time.sleep(0.01)
            server.vanish()

        killer = threading.Thread(target=vanish_when_busy)
        killer.start()
        seen = window(tmp_path / "w.json", server.address[1], "--window-s=2")
        killer.join()
        assert seen.server_gone == "no connection was open when the window ended"
        assert seen.failures["connection refused"] > 0
        assert seen.connections_open_min == 0


def test_a_server_that_never_was_is_a_record_that_says_so(tmp_path: Path) -> None:
    with serving(keep_alive) as server:
        port = server.address[1]
        server.vanish()
        seen = window(tmp_path / "w.json", port)
        assert seen.server_gone is not None
        assert seen.server_gone.startswith("0 of 4 connections were open after 1 s (connection refused ")
        assert (seen.requests, seen.latency_s, seen.server_cpu_s) == (0, None, None)


def test_a_meter_that_is_gone_is_a_record_that_says_so(tmp_path: Path) -> None:
    gone = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    with serving(keep_alive) as server:
        seen = window(tmp_path / "w.json", server.address[1], meter=f"tree:{gone}")
        assert seen.server_gone is not None
        assert seen.server_cpu_s is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--window-s=abc",), "'abc' is not accepted: a number from 0 to 3600 is"),
        (("--delay-ms=60001",), "'60001' is not accepted: a number from 0 to 60000 is"),
        (("--cores=999",), "'999' is not accepted: some of "),
        (("--host=https://127.0.0.1",), "https needs a FastUser."),
    ],
)
def test_options_that_cannot_work_end_with_status_2_and_a_reason(options: tuple[str, ...], message: str) -> None:
    done = locust(1, *options)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize("processes", [(), ("--processes=2",)])
def test_locusts_statistics_hold_every_answer_and_every_failure(processes: tuple[str, ...], tmp_path: Path) -> None:
    with serving(sometimes_wrong) as server:
        done = locust(server.address[1], "-t=2", f"--csv={tmp_path / 'l'}", f"--json-file={tmp_path / 'l'}", *processes)
        assert done.returncode == 1, done.stderr  # Locust's status for failures
        (entry,) = json.loads((tmp_path / "l.json").read_text())
        assert server.requests - USERS <= entry["num_requests"] <= server.requests
        assert (entry["method"], entry["name"]) == ("GET", "/hello")
        assert entry["num_failures"] == entry["num_none_requests"] == pytest.approx(server.requests / 5, abs=USERS)
        assert sum(entry["response_times"].values()) == entry["num_requests"] - entry["num_failures"]
        with (tmp_path / "l_failures.csv").open() as file:
            (failure,) = csv.DictReader(file)
        assert failure["Error"] == "wrong body"
        assert 0 < int(failure["Occurrences"]) <= entry["num_failures"]  # Locust writes this file once a second


def test_the_slower_mode_fires_an_event_for_each_answer(tmp_path: Path) -> None:
    with serving(sometimes_wrong) as server:
        locust(server.address[1], "-t=1", "--per-request-events", f"--json-file={tmp_path / 'l'}")
        (entry,) = json.loads((tmp_path / "l.json").read_text())
        assert server.requests - USERS <= entry["num_requests"] <= server.requests
        assert entry["num_failures"] == pytest.approx(server.requests / 5, abs=USERS)
