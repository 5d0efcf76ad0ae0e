"""Locust measures a timed window, and its own statistics still work."""

import csv
import json
import math
import os
import subprocess
import threading
import time
from pathlib import Path

import gevent
import pytest

from common.records.window import Load
from common.runtimes.running_server import RunningServer
from loadtests.timing.warmup import FEWEST_REQUESTS
from loadtests.timing.window import NotOpenError, wait_open
from loadtests.users import histogram
from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.responses import Request
from tests.support.locust_runs import (
    DEADLINE_S,
    USERS,
    closing,
    keep_alive,
    locust,
    port_of,
    sometimes_wrong,
    window,
    workers,
)
from tests.support.servers import KEEP, Behaviour, Client, serving

TICK_S = 1.001 / os.sysconf("SC_CLK_TCK")
"""The kernel rounds each core's stolen time, and the sum over all of them, to ticks."""


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [keep_alive, closing, sometimes_wrong])
def test_the_counts_of_a_window_add_up(behaviour: Behaviour, tmp_path: Path) -> None:
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
        assert seen.server_steal_s == pytest.approx(seen.steal_s)  # of one core, read once
        assert seen.generator_run_delay_s is not None
        assert seen.generator_run_delay_s >= 0 <= seen.steal_s <= seen.steal_all_s + TICK_S
        assert seen.latency_s is not None
        assert seen.latency_s.p50 <= seen.latency_s.p99 <= seen.latency_s.p999 <= seen.latency_s.max * 1.004
        assert sum(histogram.dense(seen.histogram)) == seen.requests


def test_the_death_of_a_server_in_the_window_is_recorded(tmp_path: Path) -> None:
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


def test_a_server_that_never_answered_is_recorded(tmp_path: Path) -> None:
    with serving(keep_alive) as server:
        port = server.address[1]
        server.vanish()
        seen = window(tmp_path / "w.json", port)
        assert seen.server_gone is not None
        assert seen.server_gone.startswith("0 of 4 connections were open after 1 s (connection refused ")
        assert (seen.requests, seen.latency_s, seen.server_cpu_s) == (0, None, None)


def test_connections_that_do_not_open_say_what_failed_meanwhile_and_nothing_earlier() -> None:
    loop = ClosedLoop(flush=lambda: None)
    failures = loop.target(Request("/hello", expect=lambda _: True), "127.0.0.1").tally.failures
    failures.update({"wrong body": 7, "connection refused": 2})
    gevent.spawn(failures.update, {"connection refused": 3})
    with pytest.raises(NotOpenError) as caught:
        wait_open(loop, lambda: 4, 0.05)
    assert str(caught.value) == "0 of 4 connections were open after 0.05 s (connection refused 3 times)"


def test_the_loss_of_a_meter_is_recorded(tmp_path: Path) -> None:
    gone = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    with serving(keep_alive) as server:
        seen = window(tmp_path / "w.json", server.address[1], meter=f"tree:{gone}")
        assert seen.server_gone is not None
        assert seen.server_cpu_s is None


@pytest.mark.slow
@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_a_window_of_an_open_loop_holds_every_arrival(arrivals: str, known: RunningServer, tmp_path: Path) -> None:
    options = ("--rate=400", f"--arrivals={arrivals}", "--arrival-seed=3", "--window-s=2")
    seen = window(tmp_path / "w.json", port_of(known), *options, meter=known.cpu_meter or "", scenario="Rate", users=64)
    assert seen.server_gone is None
    assert seen.failures == {}
    opened = seen.open_loop
    assert opened is not None
    assert opened.rate_rps == pytest.approx(400)
    assert opened.planned == pytest.approx(800, rel=0.03 if arrivals == "constant" else 0.2)
    assert opened.never_sent == 0
    assert abs(opened.planned - seen.sent) <= opened.waiting
    assert abs(seen.sent - seen.requests) <= 64
    assert sum(count for _, count in opened.from_send_histogram) == seen.requests
    assert opened.from_send_s is not None
    assert seen.latency_s is not None
    assert 0.010 <= opened.from_send_s.p50 <= seen.latency_s.p50 < 0.015
    assert len(seen.seconds) == 2
    assert sum(second.sent for second in seen.seconds) == pytest.approx(seen.sent, abs=40)
    assert all(second.send_lag_s is not None and second.cpu_share > 0 for second in seen.seconds)


@pytest.mark.slow
def test_all_connections_of_a_closed_loop_are_busy_in_each_second(known: RunningServer, tmp_path: Path) -> None:
    seen = window(tmp_path / "w.json", port_of(known), meter=known.cpu_meter or "")
    (second,) = seen.seconds
    assert (second.open, second.in_flight) == (seen.connections_open_min, seen.in_flight) == (4, 4)
    assert second.littles_law_ratio == pytest.approx(1, rel=0.1)
    assert seen.open_loop is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--window-s=abc",), "invalid value abc: must be a number from 0 to 3600"),
        (("--delay-ms=60001",), "invalid value 60001: must be a number from 0 to 60000"),
        (("--cores=999",), "invalid cores 999: must be some of "),
        (("--host=https://127.0.0.1",), "for https, use a FastUser."),
        (("--host=http://[::1",), "invalid --host http://[::1: Invalid IPv6 URL. Use a name that resolves."),
    ],
)
def test_invalid_options_end_with_status_2_and_a_reason(options: tuple[str, ...], message: str) -> None:
    done = locust(1, *options)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("processes", [0, 2])
def test_locusts_statistics_hold_every_answer_and_every_failure(processes: int, tmp_path: Path) -> None:
    files = (f"--csv={tmp_path / 'l'}", f"--json-file={tmp_path / 'l'}")
    with serving(sometimes_wrong) as server:
        done = locust(server.address[1], "-t=2", *files, *workers(processes))
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


@pytest.mark.slow
def test_a_server_that_becomes_faster_is_loaded_until_it_is_warm(tmp_path: Path) -> None:
    """A response costs forty times as much at first; from 2,400 requests on it costs a tenth more at most."""

    def hurrying(client: Client, number: int) -> bool:
        until_s = time.thread_time() + 0.0001 + 0.004 * math.exp(-number / 400)
        while time.thread_time() < until_s:
            pass
        return client.send(KEEP)

    def per_cpu_s(seen: Load) -> float:
        assert seen.server_cpu_s is not None
        return seen.requests / seen.server_cpu_s

    with serving(hurrying) as server:
        cold = window(tmp_path / "w.json", server.address[1])
    with serving(hurrying) as server:
        warm = window(tmp_path / "w.json", server.address[1], "--most-warmup-s=30", "--may-compile=1")
    assert cold.warmup is None
    assert warm.warmup is not None
    assert warm.warmup.requests >= FEWEST_REQUESTS
    assert warm.warmup.duration_s < 31
    assert per_cpu_s(warm) > 1.3 * per_cpu_s(cold)
