"""A climb takes a step whose connections cannot all be opened for broken, also the first, and goes on."""

from pathlib import Path

import pytest

from common.records.load import Objective
from common.records.window import Load
from loadtests.analysis.climbing import knee
from loadtests.timing import staircase
from loadtests.timing.staircase import Staircase, climb
from loadtests.timing.window import NotOpenError, WindowPlan
from loadtests.users.closed_loop import ClosedLoop
from tests.support.records import load

PLAN = WindowPlan(file=Path(), warmup_s=0.0, window_s=1.0, opening_s=1.0)


def _climb(
    monkeypatch: pytest.MonkeyPatch, limit: int, open_beyond: int, *, first: int = 250, of_connections: bool = True
) -> Load:
    """Climb on a server of which at most ``limit`` connections open, of more only ``open_beyond``."""
    loop = ClosedLoop(flush=lambda: None)

    def apply(target: float) -> None:
        loop.sockets.open_now = int(target) if target <= limit else open_beyond
        if target > limit:
            raise NotOpenError(f"{loop.ready} of {target:g} connections were open after 1 s")

    monkeypatch.setattr(staircase, "wait_open", lambda *_: apply(first))
    monkeypatch.setattr(staircase, "observe", lambda *_: load(users=loop.ready))
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
    monkeypatch.setattr(staircase, "broken", lambda *_: "p99 was 11 s")
    found = _climb(monkeypatch, limit=4000, open_beyond=4000, first=9000)
    assert (found.users, found.requests > 0, knee(found.steps), found.server_gone) == (2250, True, None, None)


def test_a_climb_of_the_rate_needs_its_connections_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _climb(monkeypatch, limit=40, open_beyond=40, first=64, of_connections=False)
    assert (found.steps, found.server_gone) == ([], "40 of 64 connections were open after 1 s")
