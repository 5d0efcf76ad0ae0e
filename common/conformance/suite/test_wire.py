"""Tests of what HTTP clients hide: the bytes of a response, and what happens to the connection."""

import itertools
import json
import re
import time
from collections.abc import Callable

import pytest

from common.conformance.wire import Response, Wire
from common.contract import HELLO, slept

SETTLE_S = 0.03
"""The time for which to listen for bytes that should not arrive."""

STATUS_LINE = re.compile(rb"HTTP/1\.1 [0-9]{3} [^\r\n]*\r\n")
HEADER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*")

FRAMING = re.compile(r"content-length: *[0-9]+ *|transfer-encoding: *chunked *")

Connect = Callable[[], Wire]
Observe = Callable[[str, bool], None]

JSON_RESPONSES = [
    pytest.param("GET", "/hello", id="hello"),
    pytest.param("GET", "/sleep/2", id="sleep"),
    pytest.param("GET", "/sleep/-1", id="bad delay"),
]
OTHER_RESPONSES = [
    pytest.param("GET", "/nothing", id="unknown path"),
    pytest.param("DELETE", "/hello", id="other method"),
]
HEAD_RESPONSE = pytest.param("HEAD", "/hello", id="head")

every_kind_of_response = pytest.mark.parametrize(("method", "path"), [*JSON_RESPONSES, *OTHER_RESPONSES])


@every_kind_of_response
def test_answer_starts_with_an_http_1_1_status_line(connect: Connect, method: str, path: str) -> None:
    raw = _exchange(connect(), method, path).raw
    assert STATUS_LINE.match(raw), f"{method} {path} returns {raw[:40]!r}; expected HTTP/1.1, a status and CR LF"


@every_kind_of_response
def test_header_lines_are_well_formed(connect: Connect, method: str, path: str) -> None:
    _, *lines = _exchange(connect(), method, path).head.split(b"\r\n")
    malformed = [line for line in lines if not HEADER_LINE.fullmatch(line)]
    assert not malformed, f"{method} {path} returns {malformed}; expected NAME: VALUE, each followed by CR LF"


@pytest.mark.parametrize(("method", "path"), JSON_RESPONSES)
def test_json_is_encoded_in_utf_8(connect: Connect, method: str, path: str) -> None:
    """Many JSON parsers guess the encoding, but RFC 8259 allows only UTF-8 without a byte order mark."""
    body = _exchange(connect(), method, path).body
    assert _is_json_in_utf_8(body), f"{method} {path} returns {body[:40]!r}; expected JSON in UTF-8, without a BOM"


@every_kind_of_response
def test_answer_is_framed_in_exactly_one_way(connect: Connect, method: str, path: str) -> None:
    head = _exchange(connect(), method, path).head.decode("latin-1").casefold()
    lines = [line for line in head.splitlines() if line.startswith(("content-length:", "transfer-encoding:"))]
    assert len(lines) == 1, f"{method} {path} is framed by {lines}; expected Content-Length or chunked"
    assert FRAMING.fullmatch(lines[0]), f"{method} {path} is framed by {lines[0]!r}; expected Content-Length or chunked"


@pytest.mark.parametrize(("method", "path"), [*JSON_RESPONSES, *OTHER_RESPONSES, HEAD_RESPONSE])
def test_nothing_follows_an_answer(connect: Connect, method: str, path: str) -> None:
    wire = connect()
    _exchange(wire, method, path)
    surplus = wire.surplus(SETTLE_S)
    assert not surplus, f"{surplus[:60]!r} follows the response to {method} {path}; expected nothing"


def test_connection_is_kept_or_closed_as_declared(
    keep_alive: bool | None,  # noqa: FBT001
    connect: Connect,
    observe: Observe,
) -> None:
    wire = connect()
    response = wire.ask("/hello")
    kept = not response.announces_close and wire.is_silent(SETTLE_S)
    observe("keep-alive", kept)
    if keep_alive is None:
        pytest.skip("KEEP_ALIVE=auto")
    if keep_alive:
        assert kept, "the connection was closed after one response; expected it to be kept open"
    else:
        assert wire.is_closed_by_server(), "the connection was kept open after a response; expected it to be closed"


def test_kept_connection_answers_request_after_request(connect: Connect) -> None:
    wire = connect()
    for number in range(5):
        response = wire.ask(f"/sleep/{number}")
        assert json.loads(response.body) == slept(number), (
            f"request {number + 1} of a connection returns {response.body[:60]!r}"
        )
        if response.announces_close or not wire.is_silent(SETTLE_S / 3):
            break


@every_kind_of_response
def test_close_is_announced_before_it_happens(connect: Connect, method: str, path: str) -> None:
    wire = connect()
    response = _exchange(wire, method, path)
    closes = not wire.is_silent(SETTLE_S)
    assert response.announces_close or not closes, f"{method} {path} closes the connection without Connection: close"


@every_kind_of_response
def test_connection_close_is_honoured(connect: Connect, method: str, path: str) -> None:
    wire = connect()
    wire.send(wire.request(path, "Connection: close", method=method))
    wire.response(method)
    assert wire.is_closed_by_server(), f"{method} {path} with Connection: close leaves the connection open"


def test_pipelined_requests_are_answered_in_order(keep_alive: bool | None, connect: Connect) -> None:  # noqa: FBT001
    wire = connect()
    wire.send(wire.request("/sleep/30") + wire.request("/hello") + wire.request("/sleep/0"))
    first = wire.response()
    assert json.loads(first.body) == slept(30), f"the first of three requests returns {first.body[:60]!r}"
    if first.announces_close:
        if keep_alive is None:
            pytest.skip("KEEP_ALIVE=auto, and the connection was closed after the first request")
        assert not keep_alive, (
            "the connection was closed after the first of three requests; expected it to be kept open"
        )
        return
    for expected in (HELLO, slept(0)):
        body = wire.response().body
        assert json.loads(body) == expected, f"a pipelined request returns {body[:60]!r}; expected {expected!r}"


def test_request_may_arrive_byte_by_byte(connect: Connect) -> None:
    wire = connect()
    _send_in_pieces(wire, [bytes([byte]) for byte in wire.request("/hello")], pause_s=0.001)
    response = wire.response()
    assert response.status == 200, f"a request sent byte by byte returns {response.status}; expected 200"
    assert json.loads(response.body) == HELLO, f"a request sent byte by byte returns {response.body[:60]!r}"


def test_request_may_arrive_in_pieces(connect: Connect) -> None:
    wire = connect()
    whole = wire.request("/sleep/12", "X-Filler: " + "x" * 200)
    cuts = (0, 2, 9, 13, 16, 40, len(whole) - 3, len(whole) - 1, len(whole))
    _send_in_pieces(wire, [whole[a:b] for a, b in itertools.pairwise(cuts)], pause_s=0.01)
    body = wire.response().body
    assert json.loads(body) == slept(12), f"a request sent in pieces returns {body[:60]!r}; expected {slept(12)!r}"


@pytest.mark.parametrize(("method", "status"), [("POST", 405), ("GET", 200)])
def test_body_of_a_request_is_not_read_as_the_next_request(connect: Connect, method: str, status: int) -> None:
    wire = connect()
    smuggled = wire.request("/nothing")
    wire.send(wire.request("/hello", method=method, body=smuggled))
    first = wire.response(method)
    assert first.status == status, f"{method} /hello with a body returns {first.status}; expected {status}"
    if first.announces_close or not wire.is_silent(SETTLE_S):
        assert not wire.surplus(SETTLE_S), f"the body of {method} /hello was answered like a request"
        return
    assert wire.ask("/hello").status == 200, f"GET /hello after {method} /hello with a body does not return 200"


@pytest.mark.parametrize("cut", [0, 10, -2], ids=["nothing sent", "half a line", "no blank line"])
def test_client_that_aborts_its_request_does_not_affect_the_next(connect: Connect, cut: int) -> None:
    wire = connect()
    wire.send(wire.request("/hello")[:cut])
    wire.reset()
    assert connect().ask("/hello").status == 200, "GET /hello fails after another client aborted its request"


def test_client_that_disconnects_during_a_sleep_does_not_affect_the_next(connect: Connect) -> None:
    wire = connect()
    wire.send(wire.request("/sleep/30"))
    wire.is_silent(SETTLE_S / 3)
    wire.reset()
    with connect() as other:
        assert other.ask("/sleep/40").status == 200, "a sleep fails after another client disconnected during its own"
    assert connect().ask("/hello").status == 200, "GET /hello fails after another client disconnected during a sleep"


def _exchange(wire: Wire, method: str, path: str) -> Response:
    wire.send(wire.request(path, method=method))
    return wire.response(method)


def _is_json_in_utf_8(body: bytes) -> bool:
    try:
        json.loads(body.decode())  # json.loads guesses the encoding of bytes, and refuses a BOM only in a str
    except ValueError:
        return False
    return True


def _send_in_pieces(wire: Wire, pieces: list[bytes], *, pause_s: float) -> None:
    for piece in pieces:
        wire.send(piece)
        time.sleep(pause_s)
