"""The contract every framework answers: constants and the one parsing function that apps share.

Standard library only: this package is all of the project that an image contains beside its app.
The same contract as an OpenAPI 3.1 document stands in ``openapi.json`` beside this file.
"""

import re

HELLO = "hello world"
"""What ``GET /hello`` answers, as a JSON string."""

MAX_DELAY_MS = 60_000
"""The longest sleep that is accepted, in milliseconds."""

BAD_DELAY = f"delay must be 1 to 5 ASCII digits and at most {MAX_DELAY_MS}"
"""What the member ``error`` of a 400 answer says."""

TIMER_GRAIN_MS = 1
"""What every sleep is lengthened by, so that no event loop's timer ends it early."""

_DELAY = re.compile(r"[0-9]{1,5}")


def parse_delay(text: str) -> int:
    """Milliseconds that a percent-decoded path segment asks for; ``ValueError(BAD_DELAY)`` where it is not one."""
    if _DELAY.fullmatch(text) is None or int(text) > MAX_DELAY_MS:
        raise ValueError(BAD_DELAY)
    return int(text)


def slept(delay_ms: int) -> str:
    """What ``GET /sleep/{delay}`` answers, as a JSON string."""
    return f"slept for {delay_ms} ms"


def seconds(delay_ms: int) -> float:
    """Seconds to hand to a sleep so that it lasts at least ``delay_ms``, whatever timer is under it.

    libuv counts in whole milliseconds of a clock that it rounds down, so uvloop's timers end up to 1 ms early: on a
    loop that others wake, too, one in three did. Every app adds the same grain, so that they stay comparable.
    """
    return (delay_ms + TIMER_GRAIN_MS) / 1000 if delay_ms else 0.0
