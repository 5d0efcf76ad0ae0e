"""The requests that scenarios send, with the responses that they expect."""

import json

from common.contract import HELLO, MAX_DELAY_MS, slept
from loadtests.users.responses import Request, json_string

EXTRA_S = 10.0
"""The time beyond its delay after which a response counts as timed out."""


def hello(_: int) -> Request:
    """Return the request for the smallest response."""
    return Request("/hello", expect=json_string(HELLO))


def sleep(delay_ms: int) -> Request:
    """Return a request whose response waits ``delay_ms`` without work."""
    return Request(
        f"/sleep/{delay_ms}",
        name="/sleep",
        expect=json_string(slept(delay_ms)),
        timeout_s=delay_ms / 1000 + EXTRA_S,
    )


def bad_delay(_: int) -> Request:
    """Return a request for a delay that the contract refuses with 400."""
    return Request("/sleep/forever", name="400", status=400, expect=_explains_the_limit)


def unknown_path(_: int) -> Request:
    """Return a request for a path that does not exist."""
    return Request("/nothing", name="404", status=404, expect=lambda _: True)


def wrong_method(_: int) -> Request:
    """Return a request with a method that the path does not accept."""
    return Request("/hello", name="405", method="DELETE", status=405, expect=lambda _: True)


def _explains_the_limit(body: bytes) -> bool:
    return str(MAX_DELAY_MS) in str(json.loads(body)["error"])
