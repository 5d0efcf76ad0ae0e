"""wrk as a second opinion: what it counts is what was served, and what failed is said to have failed."""

import os
import shutil
from pathlib import Path

import pytest

from common.cli.app import GIVEN, run
from common.errors import UsageError
from common.host.cpu import CpuReading
from common.records.run import Run
from common.records.window import Load
from common.runtimes.base import RunningServer
from loadtests.__main__ import app
from loadtests.windows import wrk
from loadtests.windows.generator import GeneratorError, Tool, refuse
from tests.conftest import absent
from tests.support.records import cell
from tests.support.records import run as record
from tests.support.servers import CLOSE, KEEP, Behaviour, Client, serving

RUN = record([cell("a+b")], users=4, warmup_s=0.0, window_s=1.0, tool="wrk")
ERROR = KEEP.replace(b"200 OK", b"503 No")


def keep_alive(client: Client, _: int) -> bool:
    return client.send(KEEP)


def closing(client: Client, _: int) -> bool:
    client.send(CLOSE)
    return False


def failing(client: Client, _: int) -> bool:
    return client.send(ERROR)


def resetting(client: Client, number: int) -> bool:
    return client.send(KEEP) if number % 10 else client.reset()


def measure(port: int, run: Run = RUN) -> Load:
    """A window on a server in this process."""
    if shutil.which("wrk") is None:
        absent("wrk is not here (Debian: apt-get install wrk)")
    running = RunningServer(
        url=f"http://127.0.0.1:{port}", client_prefix=(), cpu_meter=f"tree:{os.getpid()}", exit_reason=lambda: None
    )
    return wrk.measure(running, run)


@pytest.mark.parametrize("behaviour", [keep_alive, closing])
def test_it_counts_what_the_server_answered(behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        seen = measure(server.address[1])
        assert 0 < seen.requests <= server.requests <= seen.requests + 2 * RUN.users
    assert (seen.failures, seen.users, seen.latency_s, seen.histogram) == ({}, 4, None, [])
    assert 0.9 < seen.duration_s < 1.5
    assert seen.server_cpu_s is not None
    assert 0 < seen.generator_cpu_s < 1.5


def test_an_answer_with_an_error_status_is_a_failure() -> None:
    with serving(failing) as server:
        seen = measure(server.address[1])
    assert seen.requests == 0
    assert seen.failures == {"status 400 or more": seen.answered}


def test_an_error_of_a_socket_is_a_failure_and_no_answer() -> None:
    with serving(resetting) as server:
        seen = measure(server.address[1])
    assert seen.failures["connection reset"] == pytest.approx(seen.answered / 9, rel=0.3)
    assert seen.requests == seen.answered


def test_a_server_that_is_not_there_is_an_error_of_the_generator() -> None:
    with serving(keep_alive) as server:
        port = server.address[1]
        server.vanish()
        with pytest.raises(GeneratorError, match="unable to connect"):
            measure(port)


def test_the_cpu_of_the_server_is_the_difference_of_two_readings() -> None:
    told = {
        "duration_us": 2e6,
        "answered": 10,
        "cpu_s": 0.5,
        "connect": 1,
        "read": 2,
        "write": 0,
        "status": 3,
        "timeout": 0,
    }
    seen = wrk.load_of(told, RUN, [CpuReading(cpu_s=1.0), CpuReading(cpu_s=3.5)])
    assert (seen.requests, seen.answered, seen.sent, seen.server_cpu_s) == (7, 10, 13, 2.5)
    assert seen.failures == {"status 400 or more": 3, "connection refused": 1, "connection reset": 2}


@pytest.mark.parametrize(
    ("scenario", "paths"),
    [("hello", ("/hello",)), ("sleep", ("/sleep/100",)), ("mixed", ("/hello",) * 9 + ("/sleep/100",))],
)
def test_a_scenario_asks_for_the_same_paths_as_ours(scenario: str, paths: tuple[str, ...]) -> None:
    assert wrk.paths(record([], scenario=scenario)) == paths


@pytest.mark.parametrize(
    ("tool", "workers", "scenario", "why"),
    [
        (Tool.WRK, 0, "rate", r"SCENARIO=rate\. Accepted with it: hello, sleep, mixed"),
        (Tool.WRK, 2, "hello", r"WORKERS=2 needs TOOL=locust"),
        (Tool.LOCUST, 2, "ramp", r"WORKERS=2 cannot do SCENARIO=ramp"),
    ],
)
def test_what_a_tool_cannot_do_is_refused(tool: Tool, workers: int, scenario: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        refuse(tool, workers, scenario)


@pytest.mark.parametrize("line", ["loadtest --tool=wrk", "crosscheck --framework=falcon"])
def test_a_missing_wrk_is_one_line_that_says_how_to_get_it(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["make", *line.split()])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(GIVEN, raising=False)
    assert run(app) == 2
    told = capsys.readouterr().err
    assert told == "error: TOOL=wrk needs wrk, which is not on PATH. Install it (Debian: apt-get install wrk).\n"
