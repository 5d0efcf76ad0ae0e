"""The contract that every framework implements: constants, and the one parsing function that apps share.

Standard library only: apart from the app itself, this package is all of the project's code that an image contains.
``openapi.json`` beside this file states the same contract as an OpenAPI 3.1 document.
"""

import re

HELLO = "hello world"
"""The JSON string that ``GET /hello`` returns."""

MAX_DELAY_MS = 60_000
"""The longest delay that ``GET /sleep/{delay}`` accepts, in milliseconds."""

BAD_DELAY = f"delay must be 1 to 5 ASCII digits and at most {MAX_DELAY_MS}"
"""The value of the member ``error`` in the body of a 400 response."""

TIMER_GRAIN_MS = 1
"""Added to every sleep, so that an event loop with a coarse timer does not end it early."""

# Not \d, which matches the digits of every script, and not int() alone, which also accepts signs, blanks, underscores
# and numbers with thousands of digits.
_DELAY = re.compile(r"[0-9]{1,5}")


def parse_delay(text: str) -> int:
    """Return the delay in milliseconds that a percent-decoded path segment names.

    Raises ``ValueError(BAD_DELAY)`` if the segment is not a valid delay.
    """
    if _DELAY.fullmatch(text) is None or int(text) > MAX_DELAY_MS:
        raise ValueError(BAD_DELAY)
    return int(text)


def slept(delay_ms: int) -> str:
    """Return the JSON string that ``GET /sleep/{delay}`` returns."""
    return f"slept for {delay_ms} ms"


def sleep_seconds(delay_ms: int) -> float:
    """Return the seconds to pass to a sleep function so that it sleeps for at least ``delay_ms``.

    libuv rounds its clock down to whole milliseconds, so a timer of uvloop can fire up to 1 ms early; on a loop that
    other events wake, one in three did. Every app adds the same ``TIMER_GRAIN_MS``, so that they stay comparable.
    """
    return (delay_ms + TIMER_GRAIN_MS) / 1000 if delay_ms else 0.0
