"""The smallest memory limit under which a server starts and passes the load, by bisection.

The procedure has no chance in it: double from 64 MB until one passes, halve the gap between the greatest that failed
and the least that passed down to one step, then ask the least that passed again, going up a step at each failure, until
it has passed three times in a row.
"""

from collections.abc import Callable, Sequence

from common.catalog.sizes import Size
from common.errors import FailedError
from common.records.memory import Attempt, Limit
from common.runtimes.candidates import Candidate
from loadtests.memory.server import load

MB = 1024**2
STEP_BYTES = 4 * MB
FIRST_BYTES = 64 * MB
GREATEST_BYTES = 2048 * MB
LEAST_BYTES = 8 * MB
"""Below 6 MB the engine takes no limit; nothing of ours has ever passed under this one."""
REPEATS = 3

Try = Callable[[int], str | None]
"""Says what went wrong under a limit in bytes, or ``None`` where it passed."""


def smallest_limit(cell: str, attempt: Try, *, step_bytes: int = STEP_BYTES, repeats: int = REPEATS) -> Limit:
    """The smallest limit under which ``attempt`` passes ``repeats`` times in a row, and every attempt made."""
    made: list[Attempt] = []

    def passes(limit_bytes: int) -> bool:
        why = attempt(limit_bytes)
        made.append(Attempt(limit_bytes=limit_bytes, passed=why is None, why=why))
        return why is None

    found = _confirmed(_bisected(passes, step_bytes), passes, step_bytes, repeats)
    return Limit(cell=cell, limit_bytes=found, step_bytes=step_bytes, repeats=repeats, attempts=made)


def under_limit(candidate: Candidate, size: Size, cores: Sequence[int]) -> Try:
    """What becomes of a fresh server of ``candidate`` that may have so much memory, swap included."""

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
    """The least that passes ``repeats`` times in a row; the pass of the bisection counts as the first."""
    row = 1
    while limit_bytes is not None and row < repeats:
        if passes(limit_bytes):
            row += 1
        else:
            row, limit_bytes = 0, limit_bytes + step_bytes
            if limit_bytes > GREATEST_BYTES:
                return None
    return limit_bytes
