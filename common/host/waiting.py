"""A wait that always ends: when the server answers, when it has exited, or at a deadline."""

import time
from collections.abc import Callable

from common.errors import FailedError

READY_DEADLINE_S = 60.0
POLL_INTERVAL_S = 0.01


def wait_until(is_ready: Callable[[], bool], exit_reason: Callable[[], str | None], *, what: str) -> None:
    """Return as soon as ``is_ready()``.

    Raise ``FailedError`` that names ``what`` if it exits first, or if it is not ready within ``READY_DEADLINE_S``.
    """
    deadline = time.monotonic() + READY_DEADLINE_S
    while not is_ready():
        if (reason := exit_reason()) is not None:
            raise FailedError(f"{what} ended before it answered: {reason}")
        if time.monotonic() > deadline:
            raise FailedError(f"{what} did not answer with 200 within {READY_DEADLINE_S:g} s.")
        time.sleep(POLL_INTERVAL_S)
