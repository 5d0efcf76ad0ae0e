"""Sleeps that run at the same time. Judged where a stack declares that they overlap, observed elsewhere."""

import time
from collections.abc import Callable

import pytest

from common.conformance.wire import Wire
from common.contract import HELLO, slept

SLEEPERS = 8
DELAY_MS = 200
TRIES = 2
BEGUN_S = 0.05
"""How long after its request a sleep has surely begun, so that nothing can still slip in before it."""

Connect = Callable[[], Wire]
Observe = Callable[[str, bool], None]


def test_sleeps_at_once_overlap(overlap: bool | None, connect: Connect, observe: Observe) -> None:  # noqa: FBT001
    sleepers, limit_ms = (SLEEPERS, 2 * DELAY_MS) if overlap else (2, 1.75 * DELAY_MS)
    limit_s = limit_ms / 1000
    shortest_s = _shortest_s(connect, sleepers, tries=1 if overlap is False else TRIES, enough_s=limit_s)
    observe("overlap", shortest_s < limit_s)
    if overlap:
        assert shortest_s < limit_s, (
            f"{sleepers} sleeps of {DELAY_MS} ms at once took {shortest_s:.3f} s; expected less than {limit_s:g} s"
        )


def test_hello_is_answered_during_a_sleep(overlap: bool | None, connect: Connect) -> None:  # noqa: FBT001
    if not overlap:
        pytest.skip("the stack does not declare that a sleep blocks nobody")
    assert any(_hello_overtakes(connect) for _ in range(TRIES)), f"/hello waited for a sleep of {DELAY_MS} ms to end"


def test_sleeps_at_once_are_not_mixed_up(overlap: bool | None, connect: Connect) -> None:  # noqa: FBT001
    delays_ms = range(20, 20 + SLEEPERS) if overlap else range(3, 6)
    for delay_ms, wire in [(delay_ms, _ask(connect(), delay_ms)) for delay_ms in delays_ms]:
        body = wire.answer().body
        wire.close()
        assert slept(delay_ms).encode() in body, f"/sleep/{delay_ms} beside other sleeps says {body[:60]!r}"


def _ask(wire: Wire, delay_ms: int) -> Wire:
    wire.send(wire.request(f"/sleep/{delay_ms}", "Connection: close"))
    return wire


def _shortest_s(connect: Connect, sleepers: int, *, tries: int, enough_s: float) -> float:
    """Seconds that so many sleeps at once took in the best of the tries: a busy machine slows some, blocking all."""
    shortest_s = float("inf")
    for _ in range(tries):
        if shortest_s >= enough_s:
            shortest_s = min(shortest_s, _together_s(connect, sleepers))
    return shortest_s


def _together_s(connect: Connect, sleepers: int) -> float:
    wires = [connect() for _ in range(sleepers)]
    before_s = time.perf_counter()
    for wire in wires:
        _ask(wire, DELAY_MS)
    for wire in wires:
        wire.answer()
        wire.close()
    return time.perf_counter() - before_s


def _hello_overtakes(connect: Connect) -> bool:
    sleeper = _ask(connect(), DELAY_MS)
    assert sleeper.is_silent(BEGUN_S), f"GET /sleep/{DELAY_MS} is answered within {BEGUN_S:g} s"
    hello = connect().ask("/hello", "Connection: close")
    overtook = sleeper.is_silent(0.001)
    assert HELLO.encode() in hello.body, f"GET /hello during a sleep says {hello.body[:60]!r}"
    sleeper.answer()
    return overtook
