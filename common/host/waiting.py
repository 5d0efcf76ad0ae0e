"""Waits that end: when what is waited for is there, when it never will be, or at a deadline."""

import time
from collections.abc import Callable

from common.errors import FailedError

READY_DEADLINE_S = 60.0


def wait_until(answers: Callable[[], bool], ended: Callable[[], str | None], *, what: str) -> None:
    """Return once ``answers()``; ``FailedError`` as soon as ``what`` ended, or at the deadline."""
    deadline = time.monotonic() + READY_DEADLINE_S
    while not answers():
        if (how := ended()) is not None:
            raise FailedError(f"{what} ended before it answered: {how}")
        if time.monotonic() > deadline:
            raise FailedError(f"{what} did not answer with 200 within {READY_DEADLINE_S:g} s.")
        time.sleep(0.01)
