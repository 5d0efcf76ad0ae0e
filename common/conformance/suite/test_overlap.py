"""Tests of concurrent sleeps: judged if the stack declares that sleeps overlap, otherwise only observed."""

import json
from collections.abc import Callable

import pytest

from common.conformance.overlap import DELAY_MS, TRIES, Overlap
from common.conformance.running import word
from common.conformance.wire import Wire
from common.contract import HELLO, slept

SLEEPERS = 8
LONG_MS, SHORT_MS = 150, 30
HEAD_START_S = 0.1
"""The time between a request to sleep and one for ``/hello``."""

Connect = Callable[[], Wire]
Observe = Callable[[str, bool], None]


def test_concurrent_sleeps_overlap(
    overlap: bool | None,  # noqa: FBT001
    measured_overlap: Callable[[], Overlap],
    observe: Observe,
) -> None:
    measured = measured_overlap()
    observe("overlap", measured.overlaps)
    if not overlap:
        pytest.skip(f"OVERLAP={word(overlap)}")
    assert measured.overlaps, (
        f"{measured.sleepers} concurrent sleeps of {DELAY_MS} ms took {measured.shortest_s:.3f} s; "
        f"expected less than {measured.limit_s:g} s"
    )


def test_hello_is_answered_during_a_sleep(overlap: bool | None, connect: Connect) -> None:  # noqa: FBT001
    if not overlap:
        pytest.skip(f"OVERLAP={word(overlap)}")
    assert any(_hello_overtakes(connect) for _ in range(TRIES)), (
        f"GET /hello waited for a sleep of {DELAY_MS} ms to end"
    )


def test_concurrent_sleeps_are_not_mixed_up(overlap: bool | None, connect: Connect) -> None:  # noqa: FBT001
    delays_ms = range(20, 20 + SLEEPERS) if overlap else range(3, 6)
    for delay_ms, wire in [(delay_ms, _ask(connect(), delay_ms)) for delay_ms in delays_ms]:
        body = wire.response().body
        wire.close()
        assert json.loads(body) == slept(delay_ms), f"GET /sleep/{delay_ms} beside other sleeps returns {body[:60]!r}"


def test_sleep_is_not_cut_short_by_another_that_ends(connect: Connect) -> None:
    wire = connect()
    sent_at_s = wire.send(wire.request(f"/sleep/{LONG_MS}", "Connection: close"))
    _ask(connect(), SHORT_MS)
    waited_ms = (wire.response().first_byte_at_s - sent_at_s) * 1000
    assert waited_ms >= LONG_MS, f"GET /sleep/{LONG_MS} beside a shorter sleep was answered after {waited_ms:.3f} ms"


def _ask(wire: Wire, delay_ms: int) -> Wire:
    wire.send(wire.request(f"/sleep/{delay_ms}", "Connection: close"))
    return wire


def _hello_overtakes(connect: Connect) -> bool:
    """Return whether ``/hello`` was answered during a sleep that had begun before the request for it was sent.

    A sleep that a busy machine begins late also ends late, and shows nothing.
    """
    sleeper, other = _ask(connect(), DELAY_MS), connect()
    assert sleeper.is_silent(HEAD_START_S), f"GET /sleep/{DELAY_MS} is answered within {HEAD_START_S:g} s"
    asked_at_s = other.send(other.request("/hello", "Connection: close"))
    body = other.response().body
    overtook = sleeper.is_silent(0.001)
    assert HELLO.encode() in body, f"GET /hello during a sleep returns {body[:60]!r}"
    return sleeper.response().first_byte_at_s - asked_at_s < DELAY_MS / 1000 and overtook
