"""The memory of fresh servers: idle, after 1,000 requests on sixteen connections, and the smallest limit that suffices.

The search for the limit is deterministic: double from 64 MB until a limit passes, halve the gap between the largest
that failed and the smallest that passed down to one step, then repeat the smallest that passed, going up one step at
each failure, until a limit has passed three times in a row.
"""

import dataclasses
import http.client
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

from msgspec.structs import replace

from common.catalog.sizes import Size
from common.contract import HELLO
from common.errors import FailedError
from common.host.meters import GONE, MemoryReading, read_memory
from common.runtimes.candidates import Candidate
from common.runtimes.running_server import RunningServer
from loadtests.experiments.memory.records import Attempt, Held, LimitVisit, MemoryVisit
from loadtests.timing.warmup import FEWEST_REQUESTS

REQUESTS = 1000
CONNECTIONS = 16
LOAD_DEADLINE_S = 30.0
"""The time limit for ``REQUESTS``. A server that is short of memory reads its own files from disk again and again."""
TIMEOUT_S = 5.0

STILL_S = 0.5
STILL_DEADLINE_S = 10.0
STILL_BYTES = 64 * 1024
"""A server is idle once two readings ``STILL_S`` apart differ by no more than this."""

MB = 1024**2
LIMIT_STEP_BYTES = 4 * MB
FIRST_LIMIT_BYTES = 64 * MB
GREATEST_LIMIT_BYTES = 2048 * MB
LEAST_LIMIT_BYTES = 8 * MB
"""Docker accepts no limit below 6 MB, and no stack has ever passed below 8 MB."""
LIMIT_REPEATS = 3

Try = Callable[[int], str | None]
"""Starts and loads a server under a limit in bytes; returns what went wrong, ``None`` if nothing did."""


def read_fresh_server(visit: MemoryVisit, candidate: Candidate, size: Size, cores: Sequence[int]) -> MemoryVisit:
    """Return ``visit`` with a fresh server's memory, idle and loaded, or with the reason of a failure."""
    try:
        with candidate.serve(size, cores=cores, inside=False) as running:
            idle = settled(running)
            load(running, count := requests_for(running))
            return replace(visit, idle=_held(idle), loaded=_held(settled(running)), requests=count)
    except FailedError as error:
        return replace(visit, error=str(error))


def settled(running: RunningServer) -> MemoryReading:
    """Return the memory once it is stable, when all workers have started and caches have filled.

    If it never becomes stable, return the last reading. Raise ``FailedError`` if the server ends.
    """
    assert running.memory_meter is not None
    deadline = time.monotonic() + STILL_DEADLINE_S
    try:
        before = read_memory(running.memory_meter)
        while time.monotonic() < deadline:
            time.sleep(STILL_S)
            after = read_memory(running.memory_meter)
            if after.processes == before.processes and _change_bytes(before, after) <= STILL_BYTES:
                return after
            before = after
    except GONE as error:
        raise FailedError(running.exit_reason() or f"its memory cannot be read: {error}") from error
    return before


def requests_for(running: RunningServer) -> int:
    """Return how many requests a server is loaded with: more if it may compile its code, which takes memory too."""
    return FEWEST_REQUESTS if running.may_compile else REQUESTS


def load(running: RunningServer, requests: int) -> None:
    """Send ``requests`` to ``/hello``; ``FailedError`` if a response is wrong or late, or the server died."""
    limit_s = LOAD_DEADLINE_S * max(1, requests / REQUESTS)
    send = partial(_send, running.url, deadline=time.monotonic() + limit_s, limit_s=limit_s)
    shares = [len(range(number, requests, CONNECTIONS)) for number in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        failed = [reason for reason in pool.map(send, shares) if reason]
    if (reason := running.exit_reason()) is not None:
        raise FailedError(reason)
    if failed:
        raise FailedError(failed[0])


def _send(url: str, count: int, *, deadline: float, limit_s: float) -> str | None:
    """Send ``count`` requests on one connection, reopened if the server closes it; return what went wrong."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)
    try:
        for _ in range(count):
            if time.monotonic() > deadline:
                return f"the load took more than {limit_s:g} s"
            connection.request("GET", "/hello")
            response = connection.getresponse()
            if (status := response.status) != HTTPStatus.OK or json.loads(response.read()) != HELLO:
                return f"a wrong response with status {status}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"no response: {type(error).__name__} {error}".strip()
    finally:
        connection.close()
    return None


def _change_bytes(before: MemoryReading, after: MemoryReading) -> int:
    return abs((after.held_bytes or 0) - (before.held_bytes or 0))


def _held(reading: MemoryReading) -> Held:
    return Held(held_bytes=reading.held_bytes, **dataclasses.asdict(reading))


def smallest_limit(visit: LimitVisit, attempt: Try) -> LimitVisit:
    """Return ``visit`` with every attempt and the smallest limit that passed the required times in a row."""
    made: list[Attempt] = []

    def passes(limit_bytes: int) -> bool:
        why = attempt(limit_bytes)
        made.append(Attempt(limit_bytes=limit_bytes, passed=why is None, why=why))
        return why is None

    smallest = _confirmed(_bisected(passes, visit.step_bytes), passes, visit.step_bytes, visit.repeats)
    return replace(visit, limit_bytes=smallest, attempts=made)


def under_limit(candidate: Candidate, size: Size, cores: Sequence[int]) -> Try:
    """Return a function that tries a fresh server of ``candidate`` under a memory limit, swap included."""

    def attempt(limit_bytes: int) -> str | None:
        limited = dataclasses.replace(size, memory_bytes=limit_bytes)
        try:
            with candidate.serve(limited, cores=cores, inside=False) as running:
                load(running, requests_for(running))
        except FailedError as error:
            return str(error).partition("; the end of its log")[0]
        return None

    return attempt


def _bisected(passes: Callable[[int], bool], step_bytes: int) -> int | None:
    failed, good = LEAST_LIMIT_BYTES, FIRST_LIMIT_BYTES
    while not passes(good):
        failed, good = good, good * 2
        if good > GREATEST_LIMIT_BYTES:
            return None
    while good - failed > step_bytes:
        middle = failed + (good - failed) // (2 * step_bytes) * step_bytes
        if passes(middle):
            good = middle
        else:
            failed = middle
    return good


def _confirmed(limit_bytes: int | None, passes: Callable[[int], bool], step_bytes: int, repeats: int) -> int | None:
    """Return the least limit that passes ``repeats`` times in a row; the bisection's pass counts as the first."""
    passed = 1
    while limit_bytes is not None and passed < repeats:
        if passes(limit_bytes):
            passed += 1
        else:
            passed, limit_bytes = 0, limit_bytes + step_bytes
            if limit_bytes > GREATEST_LIMIT_BYTES:
                return None
    return limit_bytes
