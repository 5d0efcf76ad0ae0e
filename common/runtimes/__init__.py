"""Ways to bring a stack up. Each is a context manager that gives a ``Running`` and leaves nothing behind."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from common.errors import FailedError

READY_DEADLINE_S = 60.0
PROBE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondTask:
    """A place beside a server from which a program can load it, other than this machine."""

    url: str
    """Where the server answers, seen from there."""
    ask: Callable[[Sequence[str], float], bytes]
    """Run a command line there and give its answer, which may take so many seconds; ``FailedError`` where it fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A stack that answers."""

    url: str
    """Where it answers, seen from where ``prefix`` puts a client."""
    prefix: tuple[str, ...]
    """What to put before a client's command line so that it runs beside the server; empty on the host."""
    meter: str | None
    """What ``read_meter`` reads its CPU time from; ``None`` where somebody else started it."""
    memory: str | None = None
    """What ``read_memory`` reads its memory from; ``None`` where somebody else started it."""
    second_task: SecondTask | None = None
    """Where load has to come from; ``None`` where that is here, behind ``prefix``."""
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


def answers(
    url: str, path: str = "/hello", *, timeout_s: float = PROBE_TIMEOUT_S, connect_timeout_s: float | None = None
) -> bool:
    """Whether ``GET`` is answered with 200; closes its connection, so that no worker waits on it."""
    return read(url, path, timeout_s=timeout_s, connect_timeout_s=connect_timeout_s) is not None


def read(
    url: str, path: str, *, timeout_s: float = PROBE_TIMEOUT_S, connect_timeout_s: float | None = None
) -> bytes | None:
    """The body that ``GET`` is answered with, as ``answers``; ``None`` where there is no answer, or no 200."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=connect_timeout_s or timeout_s)
    try:
        connection.connect()
        connection.sock.settimeout(timeout_s)
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.read() if response.status == HTTPStatus.OK else None
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
