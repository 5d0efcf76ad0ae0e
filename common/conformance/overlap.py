"""Measuring whether a stack handles sleeps concurrently."""

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus

from common.conformance.wire import Endpoint, Wire
from common.contract import slept

DELAY_MS = 200
TRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """The duration of concurrent sleeps, and the limit below which they overlap."""

    sleepers: int
    shortest_s: float
    limit_s: float

    @property
    def overlaps(self) -> bool:
        """Whether the sleeps overlapped."""
        return self.shortest_s < self.limit_s


def measure_overlap(target: Endpoint, *, declared: bool | None, patience_s: float) -> Overlap:
    """Return the shortest duration of concurrent sleeps over a few tries.

    A busy machine delays some tries, but a stack that blocks delays all of them. Eight sleepers also tell a server that
    overlaps them from one with a few workers that each block; for a stack that declares that it blocks, two are enough.
    Raises ``AssertionError`` if a sleep is answered incorrectly: a server that refuses sleeps does not overlap them.
    """
    sleepers, limit_s, tries = (2, 1.75 * DELAY_MS / 1000, 1) if declared is False else (8, 2 * DELAY_MS / 1000, TRIES)
    shortest_s = float("inf")
    for _ in range(tries):
        if shortest_s >= limit_s:
            shortest_s = min(shortest_s, _duration_s(target, sleepers, patience_s))
    return Overlap(sleepers=sleepers, shortest_s=shortest_s, limit_s=limit_s)


def _duration_s(target: Endpoint, sleepers: int, patience_s: float) -> float:
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(target, patience_s=patience_s)) for _ in range(sleepers)]
        started_s = time.perf_counter()
        for wire in wires:
            wire.send(wire.request(f"/sleep/{DELAY_MS}", "Connection: close"))
        for wire in wires:
            _receive(wire)
            wire.close()
        return time.perf_counter() - started_s


def _receive(wire: Wire) -> None:
    response = wire.response()
    request = f"GET /sleep/{DELAY_MS} beside other sleeps"
    assert response.status == HTTPStatus.OK, f"{request} returns {response.status}; expected 200"
    assert json.loads(response.body) == slept(DELAY_MS), f"{request} returns {response.body[:60]!r}"
