"""The smallest memory limit under which a server starts and passes the load, by bisection.

The search is deterministic: double from 64 MB until a limit passes, halve the gap between the largest that failed and
the smallest that passed down to one step, then repeat the smallest that passed, going up one step at each failure,
until a limit has passed three times in a row.
"""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from common.catalog.sizes import Size
from common.errors import FailedError
from common.records.experiments.memory import Attempt, LimitVisit
from common.runtimes.candidates import Candidate
from loadtests.visits.memory import load

MB = 1024**2
STEP_BYTES = 4 * MB
FIRST_BYTES = 64 * MB
GREATEST_BYTES = 2048 * MB
LEAST_BYTES = 8 * MB
"""Docker accepts no limit below 6 MB, and no stack has ever passed below 8 MB."""
REPEATS = 3

Try = Callable[[int], str | None]
"""Starts and loads a server under a limit in bytes; returns what went wrong, ``None`` if nothing did."""


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
        limited = Size(vcpu=size.vcpu, memory_bytes=limit_bytes, worker_count=size.worker_count)
        try:
            with candidate.serve(limited, cores=cores, inside=False) as running:
                load(running)
        except FailedError as error:
            return str(error).partition("; the end of its log")[0]
        return None

    return attempt


def _bisected(passes: Callable[[int], bool], step_bytes: int) -> int | None:
    failed, good = LEAST_BYTES, FIRST_BYTES
    while not passes(good):
        failed, good = good, good * 2
        if good > GREATEST_BYTES:
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
            if limit_bytes > GREATEST_BYTES:
                return None
    return limit_bytes
