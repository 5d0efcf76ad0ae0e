"""wrk as a second opinion: its counts agree with the server's, and failures are counted as such."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from common.cli.app import GIVEN, run
from common.host.cores import CoreTimes
from common.host.meters import CpuReading
from common.records.load import Setup, Tool
from common.records.window import Load
from common.runtimes.running_server import RunningServer
from loadtests.__main__ import command_line
from loadtests.analysis.values import foreign_share, stolen_share
from loadtests.scenarios.workloads import Hello
from loadtests.timing import reading
from loadtests.windows import by_locust, by_wrk
from loadtests.windows.tools import GeneratorError
from tests.conftest import absent
from tests.support.locust_runs import closing, keep_alive
from tests.support.records import load, setup, warmup
from tests.support.servers import KEEP, Behaviour, Client, serving

SETUP = setup(users=4, warmup_s=0.0, window_s=1.0, tool=Tool.WRK)
FAILURES = ("status", "connect", "read", "write", "timeout")
ERROR = KEEP.replace(b"200 OK", b"503 No")


def _require_wrk() -> None:
    if shutil.which("wrk") is None:
        absent("wrk is not here (Debian: apt-get install wrk)")


def failing(client: Client, _: int) -> bool:
    return client.send(ERROR)


def resetting(client: Client, number: int) -> bool:
    return client.send(KEEP) if number % 10 else client.reset()


def measure(port: int, setup: Setup = SETUP) -> Load:
    """Measure a window on a server in this process."""
    _require_wrk()
    running = RunningServer(
        url=f"http://127.0.0.1:{port}", client_prefix=(), cpu_meter=f"tree:{os.getpid()}", exit_reason=lambda: None
    )
    return by_wrk.measure(running, setup)


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("behaviour", [keep_alive, closing])
def test_it_counts_what_the_server_answered(behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        seen = measure(server.address[1])
        assert 0 < seen.requests <= server.requests <= seen.requests + 2 * SETUP.load.users
    assert (seen.failures, seen.users, seen.latency_s, seen.histogram) == ({}, 4, None, [])
    assert 0.9 < seen.duration_s < 1.5
    assert seen.server_cpu_s is not None
    assert 0 < seen.generator_cpu_s < 1.5


@pytest.mark.slow
@pytest.mark.parallel
def test_the_warm_up_is_not_counted() -> None:
    with serving(keep_alive) as server:
        seen = measure(server.address[1], setup(users=4, warmup_s=1.0, window_s=1.0, tool=Tool.WRK))
        assert 0 < seen.requests < 0.8 * server.requests


@pytest.mark.parametrize(("may_compile", "most_warmup_s"), [(True, 41.0), (False, 41.0), (True, 0.0)])
def test_a_server_that_may_compile_its_code_is_warmed_by_locust_first(
    monkeypatch: pytest.MonkeyPatch, *, may_compile: bool, most_warmup_s: float
) -> None:
    ran, made = list[tuple[str, float]](), warmup(9.0)

    def locust(_: RunningServer, setup: Setup) -> Load:
        ran.append((setup.load.tool, setup.load.most_warmup_s))
        return load(10, warmup=made)

    def wrk(_: RunningServer, setup: Setup, duration_s: float) -> dict[str, float]:
        ran.append((setup.load.tool, duration_s))
        return {"duration_us": 1e6, "answered": 9, "cpu_s": 0.1} | dict.fromkeys(FAILURES, 0)

    monkeypatch.setattr(by_locust, "measure", locust)
    monkeypatch.setattr(by_wrk, "_run", wrk)
    server = RunningServer(url="", client_prefix=(), cpu_meter=None, may_compile=may_compile, exit_reason=lambda: None)
    asked = setup(users=4, warmup_s=0.5, most_warmup_s=most_warmup_s, window_s=1.0, tool=Tool.WRK)
    warmed = may_compile and most_warmup_s > 0
    assert by_wrk.measure(server, asked).warmup == (made if warmed else None)
    assert ran == [("locust", 41.0)] * warmed + [("wrk", 0.5), ("wrk", 1.0)]


@pytest.mark.slow
@pytest.mark.parallel
def test_an_answer_with_an_error_status_is_a_failure() -> None:
    with serving(failing) as server:
        seen = measure(server.address[1])
    assert seen.requests == 0
    assert seen.failures == {"status 400 or more": seen.answered}


@pytest.mark.slow
@pytest.mark.parallel
def test_an_error_of_a_socket_is_a_failure_and_no_answer() -> None:
    with serving(resetting) as server:
        seen = measure(server.address[1])
    assert seen.failures["connection reset"] == pytest.approx(seen.answered / 9, rel=0.3)
    assert seen.requests == seen.answered


@pytest.mark.slow
@pytest.mark.parallel
def test_a_missing_server_is_an_error_of_the_generator() -> None:
    with serving(keep_alive) as server:
        port = server.address[1]
        server.vanish()
        with pytest.raises(GeneratorError, match="unable to connect"):
            measure(port)


@pytest.mark.slow
@pytest.mark.parallel
def test_several_paths_are_sent_as_often_as_the_scenario_draws_them() -> None:
    asked: list[bytes] = []

    def noting(client: Client, number: int) -> bool:
        asked.append(client.head.split(b" ")[1])
        return keep_alive(client, number)

    with serving(noting) as server:
        measure(server.address[1], setup(scenario="mixed", users=4, warmup_s=0.0, window_s=1.0, tool=Tool.WRK))
    assert set(asked) == {b"/hello", b"/sleep/100"}
    assert asked.count(b"/sleep/100") == pytest.approx(len(asked) / 10, rel=0.3)


def test_a_record_holds_what_was_read_around_the_run_and_null_where_wrk_reports_nothing() -> None:
    reply = {
        "duration_us": 2e6,
        "answered": 10,
        "cpu_s": 0.5,
        "connect": 1,
        "read": 2,
        "write": 0,
        "status": 3,
        "timeout": 0,
    }
    around = load(0, 2.5, generator_cpu_s=9.0, steal_s=0.1)
    seen = by_wrk.load_of(reply, 4, around)
    assert (seen.requests, seen.answered, seen.sent, seen.server_cpu_s) == (7, 10, 13, 2.5)
    assert seen.failures == {"status 400 or more": 3, "connection refused": 1, "connection reset": 2}
    assert seen.users == 4
    assert (seen.duration_s, seen.generator_cpu_s, seen.steal_s) == (2.0, 0.5, 0.1)
    unknown = (seen.connections_open_min, seen.reconnects, seen.generator_run_delay_s, seen.littles_law_ratio)
    assert unknown == (None, None, None, None)


@pytest.mark.parametrize(("cores", "shares"), [([1], (0.25, 0.5)), ([], (None, None))])
def test_what_others_took_of_the_servers_cores_is_known(
    cores: list[int], shares: tuple[float | None, float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = dict.fromkeys(("connect", "read", "write", "status", "timeout"), 0) | {"answered": 10, "cpu_s": 0.5}
    at_s = iter((0.0, 2.0))

    def core_times(*groups: object) -> tuple[CoreTimes, ...]:
        now_s = next(at_s)
        return tuple(CoreTimes(busy_s=0.75 * now_s, steal_s=0.25 * now_s) for _ in groups)

    cpu_s = iter((1.0, 1.5))
    monkeypatch.setattr(reading, "core_times", core_times)
    monkeypatch.setattr(reading, "read_cpu", lambda _: CpuReading(cpu_s=next(cpu_s)))
    monkeypatch.setattr(by_wrk, "_run", lambda *_: reply | {"duration_us": 2e6})
    running = RunningServer(url="http://here", client_prefix=(), cpu_meter="tree:1", exit_reason=lambda: None)
    seen = by_wrk.measure(running, setup(server_cores=cores, warmup_s=0.0, tool=Tool.WRK))
    assert (stolen_share([seen], 1), foreign_share([seen], 1)) == shares


@pytest.mark.parametrize(
    ("users", "cores", "window_s", "options"),
    [(4, [0, 1], 2.0, ["-t2", "-c4", "-d2s"]), (1, [0, 1], 0.3, ["-t1", "-c1", "-d1s"])],
)
def test_wrk_has_a_thread_for_each_core_and_takes_whole_seconds(
    users: int, cores: list[int], window_s: float, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_wrk, "require_wrk", lambda: "wrk")
    line = by_wrk.command("http://here", setup(users=users, generator_cores=cores, tool=Tool.WRK), window_s)
    assert line[1:4] == options
    assert line[-1] == "http://here/hello"


def test_wrk_waits_for_the_longest_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_wrk, "require_wrk", lambda: "wrk")
    assert "--timeout=70s" in by_wrk.command("http://here", setup(scenario="sleep", delay_ms=60_000), 1.0)


@pytest.mark.slow
@pytest.mark.parallel
def test_wrk_sends_the_same_bytes_as_our_users() -> None:
    _require_wrk()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        line = by_wrk.command(f"http://{host}", SETUP, 1.0)
        with subprocess.Popen(line, stdout=subprocess.DEVNULL) as wrk:
            sent = b""
            while not sent:  # wrk first opens a connection and sends nothing on it
                connection, _ = listener.accept()
                with connection:
                    sent = connection.recv(10_000)
            wrk.kill()
    assert sorted(sent.split(b"\r\n")) == sorted(Hello.hello(0).wire(host).split(b"\r\n"))


@pytest.mark.parametrize("line", ["loadtest --tool=wrk", "crosscheck --framework=falcon"])
def test_a_missing_wrk_is_one_line_that_says_how_to_get_it(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(command_line(), line.split(), {GIVEN: ""}) == 2
    message = capsys.readouterr().err
    assert message == "error: TOOL=wrk needs wrk, which is not on PATH. Install it (Debian: apt-get install wrk).\n"
