"""Servers with faulty bytes or faulty connections."""

import json
from http import HTTPStatus
from typing import ClassVar

from tests.common.conformance.faults import caught
from tests.common.conformance.good_server import Closing, Good


@caught("wire", "answer_starts_with_an_http_1_1_status_line", keep_alive=False)
class SpeaksHttp10(Closing):
    """Answers in HTTP/1.0 and closes the connection."""

    protocol_version = "HTTP/1.0"


@caught("wire", "json_is_encoded_in_utf_8")
class EncodesInUtf16(Good):
    """Encodes JSON in UTF-16, which many parsers recognise."""

    def encode(self, value: object) -> bytes:
        """Encode in UTF-16 with a byte order mark."""
        return json.dumps(value).encode("utf-16")


@caught("wire", "json_is_encoded_in_utf_8")
class WritesAByteOrderMark(Good):
    """Begins its JSON with a byte order mark."""

    def encode(self, value: object) -> bytes:
        """Encode in UTF-8 with a byte order mark."""
        return json.dumps(value).encode("utf-8-sig")


class _OnErrors(Good):
    """A base for servers whose errors alone are faulty."""

    def faulty_head(self, status: int, headers: dict[str, str]) -> None:
        """Send the head of an error."""
        raise NotImplementedError

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Send a correct head for a successful answer only."""
        if status < HTTPStatus.BAD_REQUEST:
            super().head(status, headers)
        else:
            self.faulty_head(status, headers)


_ERRORS = ("bad delay", "unknown path", "other method")


@caught("wire", *(f"answer_starts_with_an_http_1_1_status_line[{case}]" for case in _ERRORS), among="status_line")
class SpeaksHttp10OnErrors(_OnErrors):
    """Answers errors in HTTP/1.0."""

    def faulty_head(self, status: int, headers: dict[str, str]) -> None:
        """Send a status line of HTTP/1.0."""
        self.protocol_version = "HTTP/1.0"
        super(_OnErrors, self).head(status, headers)


@caught("wire", *(f"header_lines_are_well_formed[{case}]" for case in _ERRORS))
class EndsLinesOfErrorsWithLf(_OnErrors):
    """Ends the header lines of errors with a bare line feed."""

    def faulty_head(self, status: int, headers: dict[str, str]) -> None:
        """Send a head whose lines after the first end with LF only."""
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r", "Content-Type: application/json"]
        self.wfile.write("\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode())


@caught("wire", "header_lines_are_well_formed")
class EndsLinesWithLf(Good):
    """Ends its header lines with a bare line feed."""

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Send a head whose lines after the first end with LF only."""
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r", "Content-Type: application/json"]
        self.wfile.write("\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode())


@caught(
    "wire",
    "answer_is_framed_in_exactly_one_way",
    "close_is_announced_before_it_happens",
    "connection_is_kept_or_closed_as_declared",
    "pipelined_requests_are_answered_in_order",
)
class FramedByClosing(Good):
    """Ends its bodies by closing the connection, like HTTP/1.0."""

    def framing(self, _body: bytes) -> dict[str, str]:
        """Send no framing header."""
        self.close_connection = True
        return {}


class _Chunked(Good):
    """Sends its bodies in chunks."""

    last: ClassVar[bytes] = b"0\r\n\r\n"

    def framing(self, _body: bytes) -> dict[str, str]:
        """Announce chunks."""
        return {"Transfer-Encoding": "chunked"}

    def body(self, body: bytes) -> None:
        """Send one chunk and the last chunk."""
        self.wfile.write(b"%x\r\n%s\r\n%s" % (len(body), body, self.last))


@caught("wire", "answer_is_framed_in_exactly_one_way")
class FramedTwice(_Chunked):
    """Announces a length and sends chunks."""

    def framing(self, body: bytes) -> dict[str, str]:
        """Announce both."""
        return {"Content-Length": str(len(body)), **super().framing(body)}


@caught("wire", "answer_is_framed_in_exactly_one_way", among="framed or well_formed or follows")
class RepeatsTheLength(Good):
    """Has two layers that both add the length."""

    def framing(self, body: bytes) -> dict[str, str]:
        """Send the same header in two spellings."""
        return {"Content-Length": str(len(body)), "content-length": str(len(body))}


@caught("wire", "answer_is_framed_in_exactly_one_way", "request_may_arrive_in_pieces", among="framed or pieces")
class CutsChunksShort(_Chunked):
    """Leaves out the last chunk and closes the connection."""

    last = b""

    def body(self, body: bytes) -> None:
        """Close after the chunk."""
        super().body(body)
        self.close_connection = True


@caught("wire", "nothing_follows_an_answer", "connection_close_is_honoured", among="follows or honoured")
class PromisesMore(Good):
    """Announces more bytes than it sends, and closes the connection."""

    def framing(self, body: bytes) -> dict[str, str]:
        """Announce two bytes more."""
        self.close_connection = True
        return {"Content-Length": str(len(body) + 2)}


@caught("wire", "nothing_follows_an_answer", "close_is_announced_before_it_happens",
        "connection_is_kept_or_closed_as_declared", "connection_close_is_honoured",
        "pipelined_requests_are_answered_in_order",
        "body_of_a_request_is_not_read_as_the_next_request")  # fmt: skip
class SendsMore(Good):
    """Sends a line end after its body that it does not count."""

    def body(self, body: bytes) -> None:
        """Send two bytes more."""
        self.wfile.write(body + b"\r\n")


@caught("wire", "connection_is_kept_or_closed_as_declared", "close_is_announced_before_it_happens",
        "pipelined_requests_are_answered_in_order")  # fmt: skip
class ClosesSilently(Good):
    """Closes a connection that it declared to keep, without announcing it."""

    def body(self, body: bytes) -> None:
        """Close after the body."""
        super().body(body)
        self.close_connection = True


@caught("wire", "connection_is_kept_or_closed_as_declared", "pipelined_requests_are_answered_in_order")
class ClosesAsAnnounced(Closing):
    """Closes a connection that it declared to keep, and announces it."""


@caught("wire", "nothing_follows_an_answer[head]")
class SendsABodyToHead(Good):
    """Answers HEAD like GET, so that the body is read as the beginning of the next answer."""

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send the body whatever the method."""
        self.head(status, {**self.framing(body), **(headers or {})})
        self.body(body)


@caught("wire", *(f"connection_close_is_honoured[{case}]" for case in _ERRORS), among="honoured or kept")
class KeepsConnectionsAfterErrors(_OnErrors):
    """Keeps a connection open after an error even if the client asked to close it."""

    def faulty_head(self, status: int, headers: dict[str, str]) -> None:
        """Ignore the request to close."""
        self.close_connection = False
        super(_OnErrors, self).head(status, headers)


@caught("wire", "connection_close_is_honoured", among="honoured or kept")
class IgnoresConnectionClose(Good):
    """Keeps a connection open that the client asked to close."""

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Ignore the request to close."""
        self.close_connection = False
        super().answer(status, body, headers)


@caught("wire", "request_may_arrive_byte_by_byte", "request_may_arrive_in_pieces", among="arrive or hello")
class HangsOnPieces(Good):
    """Reads a request in one call, and hangs if it is incomplete."""

    def handle_one_request(self) -> None:
        """Read once per request."""
        self.rfile.peek(1)  # type: ignore[attr-defined]
        received = self.rfile.peek()  # type: ignore[attr-defined]
        if received and b"\r\n\r\n" not in received:
            self.stopping.wait(3)
            self.close_connection = True
        else:
            super().handle_one_request()


@caught("wire", "connection_is_kept_or_closed_as_declared", among="kept or honoured", keep_alive=False)
class KeepsWhatItShouldClose(Good):
    """Keeps a connection open that it declared to close."""


@caught("wire", "pipelined_requests_are_answered_in_order", among="pipelined or kept or arrive")
class DropsPipelined(Good):
    """Discards bytes that arrived together with a request."""

    def read_body(self) -> None:
        """Discard everything that has arrived."""
        super().read_body()
        self.rfile.read(len(self.buffered()))


@caught("wire", "pipelined_requests_are_answered_in_order")
class AnswersOutOfOrder(Good):
    """Answers pipelined requests as soon as each is ready."""

    def wait(self, delay_s: float) -> None:
        """Answer the next request first."""
        if self.buffered():
            self.handle_one_request()
        super().wait(delay_s)


@caught("wire", "body_of_a_request_is_not_read_as_the_next_request[GET-200]")
class LeavesTheBodyOfGet(Good):
    """Expects no body with GET, and reads one as the next request."""

    def read_body(self) -> None:
        """Read the body of other methods only."""
        if self.command != "GET":
            super().read_body()


@caught("wire", "body_of_a_request_is_not_read_as_the_next_request")
class LeavesTheBody(Good):
    """Refuses a request without reading its body, and reads that as the next request."""

    def read_body(self) -> None:
        """Leave the body on the connection."""


class _Breaks(Good):
    """Answers 500 for ever after an unhandled exception."""

    broken: ClassVar[bool] = False

    def hello(self) -> None:
        """Answer 500 once the server is broken."""
        if self.broken:
            self.answer(500, b"")
        else:
            super().hello()


@caught("wire", "client_that_aborts_its_request_does_not_affect_the_next")
class BreaksOnReset(_Breaks):
    """Breaks when a connection is reset while it reads a request."""

    def handle_one_request(self) -> None:
        """Break on an error before a request was read completely."""
        try:
            super().handle_one_request()
        except ConnectionError:
            type(self).broken = not hasattr(self, "path")
            raise


@caught("wire", "client_that_disconnects_during_a_sleep_does_not_affect_the_next")
class BreaksOnLostClient(_Breaks):
    """Breaks when a client has disconnected before its answer is sent."""

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Break on an error while writing."""
        try:
            super().answer(status, body, headers)
            self.wfile.flush()
        except ConnectionError:
            type(self).broken = True
            raise


@caught("wire", "kept_connection_answers_request_after_request", "pipelined_requests_are_answered_in_order")
class RemembersTheFirstDelay(Good):
    """Keeps state of one request for the whole connection."""

    def parse(self, text: str) -> int:
        """Return the delay of the connection's first request."""
        self.__dict__.setdefault("first_ms", super().parse(text))
        return int(self.__dict__["first_ms"])
