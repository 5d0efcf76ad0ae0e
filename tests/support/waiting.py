"""Waits with a deadline."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], deadline_s: float = 15.0) -> None:
    """Return once ``condition()`` holds; fail the test at the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.01)
