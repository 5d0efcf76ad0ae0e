"""Open loops and climbs as Locust runs them: timed, on workers, headless."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from common.host.ports import free_port
from common.project import ROOT
from common.records.window import Total
from common.runtimes.base import RunningServer
from loadtests.generator.ceiling import null_server
from loadtests.users import histogram
from tests.loadtests.windows.test_window import locust, window
from tests.support.servers import KEEP, Client, serving

CORE = min(os.sched_getaffinity(0))


@pytest.fixture
def known() -> Iterator[RunningServer]:
    """A server whose answers take 10 ms."""
    with null_server([CORE], 0.010) as running:
        yield running


def _port(running: RunningServer) -> int:
    return int(running.url.rpartition(":")[2])


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_a_window_of_an_open_loop_holds_every_arrival(arrivals: str, known: RunningServer, tmp_path: Path) -> None:
    options = ("--rate=400", f"--arrivals={arrivals}", "--arrival-seed=3", "--window-s=2")
    seen = window(tmp_path / "w.json", _port(known), *options, meter=known.cpu_meter or "", scenario="Rate", users=64)
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


def test_a_closed_loops_seconds_say_that_all_connections_were_busy(known: RunningServer, tmp_path: Path) -> None:
    seen = window(tmp_path / "w.json", _port(known), meter=known.cpu_meter or "")
    (second,) = seen.seconds
    assert (second.open, second.in_flight) == (seen.connections_open_min, seen.in_flight) == (4, 4)
    assert second.littles_law_ratio == pytest.approx(1, rel=0.1)
    assert seen.open_loop is None


def test_a_ramp_ends_where_its_server_cannot_go_on(tmp_path: Path) -> None:
    """One connection and 5 ms an answer are 200 a second at most."""

    def five_ms(client: Client, _: int) -> bool:
        time.sleep(0.005)
        return client.send(KEEP)

    with serving(five_ms) as server:
        options = ("--rate=40", "--window-s=0.5", "--objective=p99<200ms")
        seen = window(tmp_path / "w.json", server.address[1], *options, meter="", scenario="Ramp", users=1)
    held = [step.target for step in seen.steps if step.broken is None]
    assert seen.open_loop is not None
    assert seen.open_loop.rate_rps == pytest.approx(max(held))
    assert 80 <= max(held) <= 250
    assert min(step.target for step in seen.steps if step.broken is not None) <= 400


def test_sleepers_rise_to_as_many_as_sleep_at_once(tmp_path: Path) -> None:
    """The server refuses to sleep beside more than 10 others."""
    asleep = 0

    def crowded(client: Client, _: int) -> bool:
        nonlocal asleep
        asleep += 1
        time.sleep(0.050 if asleep <= 10 else 0.090)
        asleep -= 1
        return client.send(KEEP.replace(b"13", b"17").replace(b"hello world", b"slept for 50 ms"))

    with serving(crowded) as server:
        options = ("--delay-ms=50", "--window-s=0.5", "--objective=p50<80ms")
        seen = window(tmp_path / "w.json", server.address[1], *options, scenario="Sleepers", users=2)
    assert all(step.target == int(step.target) for step in seen.steps)
    assert [step.target for step in seen.steps][:3] == [2, 4, 8]
    held = max(step.target for step in seen.steps if step.broken is None)
    assert 8 <= held <= 22
    assert seen.users == held
    assert all(step.memory_bytes for step in seen.steps)


def test_a_climb_without_a_window_ends_by_itself_and_says_what_held(known: RunningServer) -> None:
    done = locust(_port(known), "--rate=50", "--warmup-s=0", "--window-s=0.3", "--objective=p50<9ms", scenario="Ramp")
    assert "Ramp: the highest step that holds is 0" in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--processes=2", "Ramp"), "Ramp measures one process. Leave out --processes"),
        (("Hello", "Sleepers"), "Sleepers sets the load itself and runs alone."),
        (("--objective=fast", "Ramp"), "a percentile and a limit such as p99<50ms"),
        (("--rate=0", "Rate"), "'0' is not accepted"),
        (("--window-file=w.json", "Hello", "Rate"), "--window-file measures classes of one kind."),
    ],
)
def test_what_cannot_work_ends_with_a_reason(options: tuple[str, ...], message: str) -> None:
    line = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--headless", "--host=http://127.0.0.1:1"]
    done = subprocess.run([*line, *options], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert message in done.stderr
    assert done.returncode == 2


def _workers(count: int) -> tuple[str, ...]:
    """Options for worker processes that meet no other master than theirs."""
    port = free_port()
    return (f"--processes={count}", f"--master-bind-port={port}", f"--master-port={port}") if count else ()


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_workers_together_send_at_the_rate_asked_for_and_their_arrivals_add_up(
    arrivals: str, known: RunningServer, tmp_path: Path
) -> None:
    """An odd number of connections: each worker's share of the rate is that of its connections."""
    options = ("--rate=400", f"--arrivals={arrivals}", "--arrival-seed=3", "--window-s=3", *_workers(2))
    seen = window(tmp_path / "w.json", _port(known), *options, meter=known.cpu_meter or "", scenario="Rate", users=33)
    assert (seen.server_gone, seen.failures, seen.workers_lost) == (None, {}, 0)
    assert sorted(worker.users for worker in seen.workers) == [16, 17]
    opened = seen.open_loop
    assert opened is not None
    assert opened.rate_rps == 400
    assert opened.planned / seen.duration_s == pytest.approx(400, rel=0.03 if arrivals == "constant" else 0.15)
    assert opened.never_sent == 0
    assert abs(opened.planned - seen.sent) <= opened.waiting + 2
    assert abs(seen.sent - seen.requests) <= 33
    assert sum(count for _, count in opened.from_send_histogram) == seen.requests


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("scenario", ["Hello", "Rate"])
def test_exact_counts_of_all_workers_are_written_at_the_end(scenario: str, workers: int, tmp_path: Path) -> None:
    def sometimes_wrong(client: Client, number: int) -> bool:
        return client.send(KEEP if number % 5 else KEEP.replace(b"world", b"w0rld"))

    with serving(sometimes_wrong) as server:
        file = tmp_path / "t.json"
        options = ("-t=2", "--rate=200", f"--tally-file={file}", f"--json-file={tmp_path / 'l'}", *_workers(workers))
        done = locust(server.address[1], *options, scenario=scenario)
        assert done.returncode == 1, done.stderr  # Locust's status for failures
        (total,) = msgspec.json.decode(file.read_bytes(), type=list[Total])
    assert total.workers == workers
    assert (total.method, total.name) == ("GET", "/hello")
    assert server.requests - 4 <= total.requests + sum(total.failures.values()) <= server.requests
    assert sum(count for _, count in total.histogram) == total.requests
    (entry,) = json.loads((tmp_path / "l.json").read_text())
    assert entry["num_requests"] == total.requests + total.failures["wrong body"]
    seen = {round(float(time_ms) / 1000, 9): count for time_ms, count in entry["response_times"].items()}
    assert seen == {round(histogram.value_s(bucket), 9): count for bucket, count in total.histogram}


def test_workers_share_out_the_rate(known: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    locust(_port(known), "-t=4", "--rate=200", *_workers(2), f"--tally-file={file}", scenario="Rate")
    (total,) = msgspec.json.decode(file.read_bytes(), type=list[Total])
    assert 300 <= total.requests <= 820
