"""Ramp and Sleepers as Locust runs them: in a timed window and headless."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.project import ROOT
from common.runtimes.base import RunningServer
from tests.support.locust_runs import locust, port_of, window
from tests.support.servers import KEEP, Client, serving


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_climb_without_a_window_ends_by_itself_and_says_what_held(known: RunningServer) -> None:
    done = locust(port_of(known), "--rate=50", "--warmup-s=0", "--window-s=0.3", "--objective=p50<9ms", scenario="Ramp")
    assert "Ramp: the highest step that holds is 0" in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--processes=2", "Ramp"), "Ramp measures one process. Leave out --processes"),
        (("Hello", "Sleepers"), "Sleepers sets the load itself and runs alone."),
        (("--objective=fast", "Ramp"), "a percentile and a limit, such as p99<50ms"),
        (("--rate=0", "Rate"), "'0' is not accepted"),
        (("--window-file=w.json", "Hello", "Rate"), "--window-file measures classes of one kind."),
    ],
)
def test_what_cannot_work_ends_with_a_reason(options: tuple[str, ...], message: str) -> None:
    line = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--headless", "--host=http://127.0.0.1:1"]
    done = subprocess.run([*line, *options], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert message in done.stderr
    assert done.returncode == 2
