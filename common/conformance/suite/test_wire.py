"""What HTTP clients hide: the bytes of an answer, and what becomes of the connection."""

import itertools
import json
import re
import time
from collections.abc import Callable

import pytest

from common.conformance.wire import Response, Wire
from common.contract import HELLO, slept

SETTLE_S = 0.03
"""How long to listen for bytes that should not come."""

STATUS_LINE = re.compile(rb"HTTP/1\.1 [0-9]{3} [^\r\n]*\r\n")
HEADER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*")

FRAMING = re.compile(r"content-length: *[0-9]+ *|transfer-encoding: *chunked *")

Connect = Callable[[], Wire]
Observe = Callable[[str, bool], None]

every_kind = pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/hello", id="hello"),
        pytest.param("GET", "/sleep/2", id="sleep"),
        pytest.param("GET", "/sleep/-1", id="bad delay"),
        pytest.param("GET", "/nothing", id="unknown path"),
        pytest.param("DELETE", "/hello", id="other method"),
    ],
)


def test_answer_starts_with_a_status_line_of_http_1_1(connect: Connect) -> None:
    raw = connect().ask("/hello").raw
    assert STATUS_LINE.match(raw), f"an answer starts with {raw[:40]!r}; expected HTTP/1.1, the status and CR LF"


def test_header_lines_are_well_formed(connect: Connect) -> None:
    _, *lines = connect().ask("/hello").head.split(b"\r\n")
    wrong = [line for line in lines if not HEADER_LINE.fullmatch(line)]
    assert not wrong, f"an answer has the header lines {wrong}; expected NAME: VALUE, each ended by CR LF"


@every_kind
def test_answer_is_framed_in_exactly_one_way(connect: Connect, method: str, path: str) -> None:
    head = _exchange(connect(), method, path).head.decode("latin-1").casefold()
    seen = [line for line in head.splitlines() if line.startswith(("content-length:", "transfer-encoding:"))]
    assert len(seen) == 1, f"{method} {path} is framed by {seen}; expected Content-Length or chunked"
    assert FRAMING.fullmatch(seen[0]), f"{method} {path} is framed by {seen[0]!r}; expected Content-Length or chunked"


@every_kind
def test_nothing_follows_an_answer(connect: Connect, method: str, path: str) -> None:
    wire = connect()
    _exchange(wire, method, path)
    surplus = wire.surplus(SETTLE_S)
    assert not surplus, f"{surplus[:60]!r} follows the answer to {method} {path}; expected nothing"


def test_connection_is_kept_or_closed_as_declared(
    keep_alive: bool | None,  # noqa: FBT001
    connect: Connect,
    observe: Observe,
) -> None:
    wire = connect()
    answer = wire.ask("/hello")
    kept = not _announces_close(answer) and wire.is_silent(SETTLE_S)
    observe("keep-alive", kept)
    if keep_alive:
        assert kept, "the connection was closed after one answer; expected to be kept"
    if keep_alive is False:
        assert wire.is_closed_by_server(), "the connection was kept after an answer; expected to be closed"


def test_kept_connection_answers_request_after_request(connect: Connect) -> None:
    wire = connect()
    for number in range(5):
        answer = wire.ask(f"/sleep/{number}")
        assert json.loads(answer.body) == slept(number), f"request {number + 1} was answered with {answer.body[:60]!r}"
        if _announces_close(answer) or not wire.is_silent(SETTLE_S / 3):
            break


@every_kind
def test_close_is_announced_before_it_happens(connect: Connect, method: str, path: str) -> None:
    wire = connect()
    answer = _exchange(wire, method, path)
    closes = not wire.is_silent(SETTLE_S)
    assert _announces_close(answer) or not closes, f"{method} {path}: closed without Connection: close"


def test_connection_close_is_honoured(connect: Connect) -> None:
    wire = connect()
    wire.ask("/hello", "Connection: close")
    assert wire.is_closed_by_server(), "the connection stayed open although the request said Connection: close"


def test_pipelined_requests_are_answered_in_order(keep_alive: bool | None, connect: Connect) -> None:  # noqa: FBT001
    wire = connect()
    wire.send(wire.request("/sleep/30") + wire.request("/hello") + wire.request("/sleep/0"))
    first = wire.answer()
    assert json.loads(first.body) == slept(30), f"the first of three requests is answered with {first.body[:60]!r}"
    if _announces_close(first):
        assert not keep_alive, "the connection was closed after the first of three requests; expected to be kept"
        return
    for expected in (HELLO, slept(0)):
        body = wire.answer().body
        assert json.loads(body) == expected, f"pipelined: {body[:60]!r} came where {expected!r} was due"


def test_request_may_arrive_byte_by_byte(connect: Connect) -> None:
    wire = connect()
    _send_in_pieces(wire, [bytes([byte]) for byte in wire.request("/hello")], pause_s=0.001)
    answer = wire.answer()
    assert answer.status == 200, f"a request sent byte by byte gives {answer.status}; expected 200"
    assert json.loads(answer.body) == HELLO, f"a request sent byte by byte gives {answer.body[:60]!r}"


def test_request_may_arrive_in_pieces(connect: Connect) -> None:
    wire = connect()
    whole = wire.request("/sleep/12", "X-Filler: " + "x" * 200)
    cuts = (0, 2, 9, 13, 16, 40, len(whole) - 3, len(whole) - 1, len(whole))
    _send_in_pieces(wire, [whole[a:b] for a, b in itertools.pairwise(cuts)], pause_s=0.01)
    body = wire.answer().body
    assert json.loads(body) == slept(12), f"a request sent in pieces gives {body[:60]!r}; expected {slept(12)!r}"


def test_body_of_a_refused_request_is_not_taken_for_the_next_request(connect: Connect) -> None:
    wire = connect()
    smuggled = wire.request("/nothing")
    wire.send(wire.request("/hello", method="POST", body=smuggled))
    first = wire.answer("POST")
    assert first.status == 405, f"POST /hello gives {first.status}; expected 405"
    if _announces_close(first) or not wire.is_silent(SETTLE_S):
        assert not wire.surplus(SETTLE_S), "the body of a refused request was answered as if it were a request"
        return
    assert wire.ask("/hello").status == 200, "the request after a refused one is not answered with 200"


@pytest.mark.parametrize("cut", [0, 10, -2], ids=["nothing sent", "half a line", "no blank line"])
def test_client_that_breaks_off_does_not_harm_the_next(connect: Connect, cut: int) -> None:
    wire = connect()
    wire.send(wire.request("/hello")[:cut])
    wire.reset()
    assert connect().ask("/hello").status == 200, "GET /hello fails after another client broke off"


def test_client_that_leaves_during_a_sleep_does_not_harm_the_next(connect: Connect) -> None:
    wire = connect()
    wire.send(wire.request("/sleep/30"))
    wire.is_silent(SETTLE_S / 3)
    wire.reset()
    with connect() as other:
        assert other.ask("/sleep/40").status == 200, "a sleep fails after another client left its own"
    assert connect().ask("/hello").status == 200, "GET /hello fails after another client left its sleep"


def _exchange(wire: Wire, method: str, path: str) -> Response:
    wire.send(wire.request(path, method=method))
    return wire.answer(method)


def _announces_close(answer: Response) -> bool:
    return any("close" in value.casefold().replace(" ", "").split(",") for value in answer.values("connection"))


def _send_in_pieces(wire: Wire, pieces: list[bytes], *, pause_s: float) -> None:
    for piece in pieces:
        wire.send(piece)
        time.sleep(pause_s)
