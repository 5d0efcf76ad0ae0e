"""Ramp and Sleepers climb in a timed window and headless, and a step whose connections do not all open is broken."""

import time
from argparse import Namespace
from pathlib import Path

import pytest

from common.records.load import Objective
from common.records.window import Load
from common.runtimes.running_server import RunningServer
from loadtests.analysis.climbing import knee
from loadtests.timing import climbs
from loadtests.timing.climbs import Staircase, climb
from loadtests.timing.window import NotOpenError, WindowPlan
from loadtests.users.closed_loop import ClosedLoop
from tests.support.locust_runs import LOCUSTFILE, locust, port_of, window, workers
from tests.support.records import load
from tests.support.servers import KEEP, Client, serving

UNUSED_PORT = 1
PLAN = WindowPlan(file=Path(), warmup_s=0.0, window_s=1.0, opening_s=1.0)


@pytest.mark.parametrize(("asked_s", "delay_ms", "window_s"), [(5.0, 100, 5.0), (0.5, 100, 1.0), (5.0, 2000, 20.0)])
def test_in_the_window_of_a_step_every_sleeper_sleeps_ten_times(asked_s: float, delay_ms: int, window_s: float) -> None:
    assert climbs.window_s(Namespace(window_s=asked_s, delay_ms=delay_ms)) == window_s


@pytest.mark.slow
def test_a_ramp_ends_at_the_limit_of_its_server(tmp_path: Path) -> None:
    """One connection at 5 ms per answer allows at most 200 requests per second."""

    def five_ms(client: Client, _: int) -> bool:
        time.sleep(0.005)
        return client.send(KEEP)

    with serving(five_ms) as server:
        options = ("--rate=50", "--window-s=0.5", "--objective=p99<200ms")
        seen = window(tmp_path / "w.json", server.address[1], *options, meter="", scenario="Ramp", users=1)
    held = [step.target for step in seen.steps if step.broken is None]
    assert seen.open_loop is not None
    assert seen.open_loop.rate_rps == pytest.approx(max(held))
    assert 80 <= max(held) <= 250
    assert min(step.target for step in seen.steps if step.broken is not None) <= 400


@pytest.mark.slow
@pytest.mark.parallel
def test_sleepers_climb_to_the_most_that_can_sleep_at_once(tmp_path: Path) -> None:
    """The server accepts at most 10 sleepers at once."""
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
@pytest.mark.parallel
def test_a_climb_without_a_window_ends_by_itself_and_logs_that_no_step_held(known: RunningServer) -> None:
    done = locust(port_of(known), "--rate=4", "--warmup-s=0", "--window-s=1", "--objective=p50<9ms", scenario="Ramp")
    assert "Ramp: no step held the objective; begin lower, with --rate or -u" in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("processes", "options", "message"),
    [
        (2, ("Ramp",), "Ramp measures one process. Leave out --processes"),
        (0, ("Hello", "Sleepers"), "Sleepers sets the load itself and runs alone."),
        (0, ("--objective=fast", "Ramp"), "a percentile and a limit, such as p99<50ms"),
        (0, ("--rate=0", "Rate"), "invalid value 0: must be"),
        (0, ("--window-file=w.json", "Hello", "Rate"), "--window-file measures one kind of loop."),
    ],
)
def test_invalid_options_end_with_a_reason(processes: int, options: tuple[str, ...], message: str) -> None:
    done = locust(UNUSED_PORT, *workers(processes), *options[:-1], scenario=options[-1])
    assert message in done.stderr
    assert done.returncode == 2


def test_a_worker_that_starts_late_ends_with_its_master(tmp_path: Path) -> None:
    late = tmp_path / "late.py"
    late.write_text("import os, time\nos.register_at_fork(after_in_child=lambda: time.sleep(5))\n")
    done = locust(UNUSED_PORT, f"--locustfile={LOCUSTFILE},{late}", *workers(2), scenario="Ramp")
    assert "Ramp measures one process" in done.stderr
    assert done.returncode == 2


def _climb(
    monkeypatch: pytest.MonkeyPatch, limit: int, open_beyond: int, *, first: int = 250, of_connections: bool = True
) -> Load:
    """Climb on a server of which at most ``limit`` connections open, of more only ``open_beyond``."""
    loop = ClosedLoop(flush=lambda: None)

    def apply(target: float) -> None:
        loop.sockets.open_now = int(target) if target <= limit else open_beyond
        if target > limit:
            raise NotOpenError(f"{loop.ready} of {target:g} connections were open after 1 s")

    monkeypatch.setattr(climbs, "wait_open", lambda *_: apply(first))
    monkeypatch.setattr(climbs, "observe", lambda *_: load(users=loop.ready))
    stairs = Staircase(
        objective=Objective.parse("p99<10s"),
        first=first,
        most=10_000,
        settle_s=0.0,
        apply=apply,
        of_connections=of_connections,
    )
    return climb(stairs, PLAN, loop, lambda: loop.ready, lambda _: None)


def test_a_step_that_cannot_open_its_connections_is_broken_and_the_climb_bisects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = _climb(monkeypatch, limit=600, open_beyond=600)
    broken = "600 of 1000 connections were open after 1 s"
    assert [(step.target, step.broken) for step in found.steps[:4]] == [
        (250, None),
        (500, None),
        (1000, broken),
        (1000, broken),
    ]
    assert [step.target for step in found.steps[4:]] == [707, 707, 595, 649, 649]
    assert (found.users, knee(found.steps), found.server_gone) == (595, 595, None)


def test_a_climb_ends_with_the_step_at_which_no_connection_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _climb(monkeypatch, limit=600, open_beyond=0)
    assert [step.broken for step in found.steps] == [None, None, "0 of 1000 connections were open after 1 s"]
    assert found.users == 500


def test_a_climb_whose_first_step_cannot_be_reached_ends_without_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _climb(monkeypatch, limit=100, open_beyond=0)
    assert [step.broken for step in found.steps] == ["0 of 250 connections were open after 1 s"]
    assert found.server_gone == "0 of 250 connections were open after 1 s"


def test_a_climb_that_begins_with_too_many_connections_searches_below(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _climb(monkeypatch, limit=4000, open_beyond=4000, first=9000)
    broken = "4000 of 9000 connections were open after 1 s"
    assert [(step.target, step.broken) for step in found.steps[:2]] == [(9000, broken), (9000, broken)]
    assert [step.target for step in found.steps[2:]] == [4500, 4500, 2250, 3182, 3784, 4126, 4126]
    assert (found.users, knee(found.steps), found.server_gone) == (3784, 3784, None)


def test_a_climb_of_which_no_step_holds_has_the_record_of_the_first_that_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(climbs, "broken", lambda *_: "p99 was 11 s")
    found = _climb(monkeypatch, limit=4000, open_beyond=4000, first=9000)
    assert (found.users, found.requests > 0, knee(found.steps), found.server_gone) == (2250, True, None, None)


def test_a_climb_of_the_rate_needs_its_connections_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _climb(monkeypatch, limit=40, open_beyond=40, first=64, of_connections=False)
    assert (found.steps, found.server_gone) == ([], "40 of 64 connections were open after 1 s")
