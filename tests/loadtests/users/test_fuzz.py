"""Arbitrary bytes, cut anywhere, cause no crash; each request ends once, and cuts make no difference."""

import itertools
import socket
from _socket import socket as PlainSocket  # noqa: N812
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.connection import Connection, PreparedRequest
from loadtests.users.responses import Request, json_string
from tests.support import fuzzing

BODY = b'"hello world"'
HELLO = Request("/hello", expect=json_string("hello world"))
EXAMPLES = pytest.mark.parametrize(
    "examples", [500, pytest.param(fuzzing.EXAMPLES, marks=[pytest.mark.slow, pytest.mark.parallel])]
)

LEARNED = (
    b"HTTP/1.1 200 OK\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 13\r\n\r\n" + BODY,
    b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + BODY,
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 15\r\n\r\n  " + BODY,
)

bodies = st.sampled_from([BODY, b'  "hello world"', b"", b'"hello w0rld"', b"x" * 300])
dates = st.sampled_from([b"", b"Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n", b"date: Wed, 16 Nov 1994 00:00:00 GMT\r\n"])
heads = st.builds(
    b"HTTP/1.%d %s\r\n%s%s".__mod__,
    st.tuples(
        st.sampled_from([0, 1]),
        st.sampled_from([b"200 OK", b"200 ", b"404 Not Found", b"100 Continue", b"204 No Content", b"999 ?"]),
        dates,
        st.sampled_from([b"", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"X: " + b"y" * 100 + b"\r\n"]),
    ),
)


@st.composite
def framed(draw: st.DrawFn) -> bytes:
    """Generate a head and a body with any kind of framing, sometimes a wrong one."""
    head, body = draw(heads), draw(bodies)
    match draw(st.sampled_from(["length", "chunked", "close", "wrong length"])):
        case "length":
            return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        case "wrong length":
            return head + b"Content-Length: %d\r\n\r\n" % draw(st.integers(-3, 400)) + body
        case "chunked":
            cut = draw(st.integers(0, len(body)))
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:cut], body[cut:]) if part)
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        case _:
            return head + b"\r\n" + body


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Generate what a server might send: usually one answer, sometimes none, two or a damaged one."""
    stream = b"".join(draw(st.lists(st.one_of(framed(), st.sampled_from(LEARNED)), min_size=1, max_size=2)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(stream)))
        stream = stream[:at] + draw(st.binary(max_size=3)) + stream[at + draw(st.integers(0, 3)) :]
    return stream[: draw(st.integers(0, len(stream)))] if draw(st.booleans()) else stream


class Piped(Connection):
    """A connection over a socket pair whose other end the test holds."""

    __slots__ = ("server",)
    server: socket.socket

    def connect(self) -> int:
        """Open a new pair."""
        if self.opened:
            self.server.close()
        ours, self.server = socket.socketpair()
        sock = PlainSocket(fileno=ours.detach())
        sock.setblocking(False)  # noqa: FBT003 -- the standard library's signature
        self.use(sock)
        self.opened += 1
        self.fresh = False  # the pause after the first answer is for a clock that nobody turns here
        return 0


class Bench:
    """A closed loop driven by hand."""

    def __init__(self) -> None:
        self.loop = ClosedLoop(flush=lambda: None)
        self.loop._greenlet = object()  # type: ignore[assignment] # no loop of its own
        self.target: PreparedRequest = self.loop.target(HELLO, "h")
        self.connection = Piped((socket.AF_UNIX, ""), (self.target,))
        self.loop.add(self.connection)

    def take(self, data: bytes) -> None:
        """Send ``data`` from the server and let the loop process it."""
        server = self.connection.server
        server.sendall(data)
        self.turn()

    def close(self) -> None:
        """Close the server's end."""
        self.connection.server.shutdown(socket.SHUT_WR)
        self.turn()

    def turn(self) -> None:
        """Handle one event."""
        if self.connection.sock is not None:
            self.loop._handle([(self.connection.fd, 1)])

    def outcome(self) -> tuple[int, int, int, Counter[str]]:
        """Check the counts against each other and return them."""
        tally, loop = self.target.tally, self.loop
        assert loop.sent == tally.good + tally.wrong + tally.lost + loop.abandoned + loop.in_flight
        assert tally.failures.total() == tally.wrong + tally.lost
        return tally.good, tally.wrong, tally.lost, tally.failures

    def leave(self) -> None:
        """Close the sockets that are open."""
        self.loop.remove(self.connection)
        self.connection.server.close()


def judged(learned: bytes, stream: bytes, cuts: list[int]) -> tuple[int, int, int, Counter[str]]:
    """Return how a request ends whose answer ``stream`` arrives in pieces, after an answer that was learned."""
    bench = Bench()
    bench.take(learned)
    bench.loop.finish(bench.connection)  # the request that is out is the last
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        if bench.connection.sock is not None:
            bench.take(stream[start:end])
    if bench.connection.sock is not None:
        bench.close()
    outcome = bench.outcome()
    assert bench.loop.in_flight == 0
    bench.leave()
    return outcome


@EXAMPLES
@pytest.mark.usefixtures("untraced")
def test_the_cuts_make_no_difference_but_for_bytes_that_come_late(examples: int) -> None:
    """Bytes after a whole answer, in a later piece, belong to the next request, so the first one is good."""

    @settings(max_examples=examples, deadline=None)
    @given(st.sampled_from(LEARNED), streams(), st.lists(st.integers(0, 2000), max_size=8))
    def check(learned: bytes, stream: bytes, cuts: list[int]) -> None:
        whole, cut = judged(learned, stream, []), judged(learned, stream, cuts)
        assert sum(cut[:3]) == sum(whole[:3]) == 2
        if "bytes after the answer" not in whole[3]:
            assert cut == whole

    check()


@EXAMPLES
@pytest.mark.usefixtures("untraced")
def test_no_sequence_of_bytes_breaks_the_count(examples: int) -> None:
    pieces_of_any_kind = st.one_of(streams(), st.binary(max_size=40), st.sampled_from(LEARNED))

    @settings(max_examples=examples, deadline=None)
    @given(st.lists(pieces_of_any_kind, max_size=6), st.booleans())
    def check(pieces: list[bytes], closes: bool) -> None:  # noqa: FBT001
        bench = Bench()
        for piece in pieces:
            if bench.connection.sock is not None:
                bench.take(piece)
        if closes:
            bench.close()
        bench.outcome()
        bench.leave()

    check()
