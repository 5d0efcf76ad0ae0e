"""Tests of reading an answer strictly: what may come before it, and whether it announces the end of its connection."""

import time

import pytest

from common.conformance.wire import Endpoint, MalformedResponseError, Response, Wire
from tests.support.servers import KEEP, Behaviour, Client, serving

EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"


def answer_of(behaviour: Behaviour) -> Response:
    """Return the answer of a server that behaves like this."""
    with serving(behaviour) as server:
        host, port = server.address
        with Wire(Endpoint(host=host, port=port), patience_s=5) as wire:
            return wire.ask("/hello")


def test_informational_answers_are_skipped() -> None:
    answer = answer_of(lambda client, _: client.send(EARLY_HINTS + EARLY_HINTS + KEEP))
    assert (answer.status, answer.raw) == (200, KEEP)
    assert answer.first_byte_at_s > 0


def test_time_of_the_first_byte_is_that_of_the_answer_proper() -> None:
    answered_at_s = 0.0

    def behaviour(client: Client, _: int) -> bool:
        nonlocal answered_at_s
        client.send(EARLY_HINTS)
        time.sleep(0.02)
        answered_at_s = time.perf_counter()
        return client.send(KEEP)

    assert answer_of(behaviour).first_byte_at_s >= answered_at_s > 0


def test_connection_that_ends_after_an_informational_answer_is_an_error() -> None:
    with pytest.raises(MalformedResponseError, match="the connection was closed without an answer"):
        answer_of(lambda client, _: client.send(EARLY_HINTS) and False)


@pytest.mark.parametrize(
    ("version", "connection", "closes"),
    [
        (b"1.1", None, False),
        (b"1.1", b"keep-alive", False),
        (b"1.1", b"close", True),
        (b"1.1", b"Close", True),
        (b"1.1", b"close, x", True),
        (b"1.1", b"x ,close", True),
        (b"1.1", b"closed", False),
        (b"1.0", None, True),
        (b"1.0", b"Keep-Alive", False),
    ],
)
def test_close_is_announced_by_one_option_of_a_list_or_by_http_1_0(
    version: bytes, connection: bytes | None, *, closes: bool
) -> None:
    header = b"" if connection is None else b"Connection: " + connection + b"\r\n"
    sent = b"HTTP/" + version + b" 200 OK\r\n" + header + b"Content-Length: 0\r\n\r\n"
    assert answer_of(lambda client, _: client.send(sent)).announces_close is closes
