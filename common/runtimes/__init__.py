"""Ways to bring a stack up. Each is a context manager that gives a ``Running`` and leaves nothing behind."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from common.errors import FailedError

READY_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A stack that answers."""

    url: str
    """Where it answers, seen from where ``prefix`` puts a client."""
    prefix: tuple[str, ...]
    """What to put before a client's command line so that it runs beside the server; empty on the host."""
    meter: str | None
    """What ``read_meter`` reads its CPU time from; ``None`` where somebody else started it."""
    ended: Callable[[], str | None]
    """Says how it ended, or ``None`` while it runs."""


def wait_until(answers: Callable[[], bool], ended: Callable[[], str | None], *, what: str) -> None:
    """Return once ``answers()``; ``FailedError`` as soon as ``what`` ended, or at the deadline."""
    deadline = time.monotonic() + READY_DEADLINE_S
    while not answers():
        if (how := ended()) is not None:
            raise FailedError(f"{what} ended before it answered: {how}")
        if time.monotonic() > deadline:
            raise FailedError(f"{what} did not answer with 200 within {READY_DEADLINE_S:g} s.")
        time.sleep(0.01)


def answers(url: str, path: str = "/hello") -> bool:
    """Whether ``GET`` is answered with 200; closes its connection, so that no worker waits on it."""
    try:
        return httpx.get(url + path, headers={"Connection": "close"}, timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
