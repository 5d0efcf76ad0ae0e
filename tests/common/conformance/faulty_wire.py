"""Servers whose bytes or connections are wrong."""

from http import HTTPStatus
from typing import ClassVar

from tests.common.conformance.faults import caught
from tests.common.conformance.good_server import Closing, Good


@caught("wire", "answer_starts_with_a_status_line_of_http_1_1", keep_alive=False)
class SpeaksHttp10(Closing):
    """Answers in HTTP/1.0 and closes."""

    protocol_version = "HTTP/1.0"


@caught("wire", "header_lines_are_well_formed")
class EndsLinesWithLf(Good):
    """Ends its header lines with a bare line feed."""

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Nearly right."""
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
    """Ends its bodies by closing, as HTTP/1.0 did."""

    def framing(self, _body: bytes) -> dict[str, str]:
        """None."""
        self.close_connection = True
        return {}


class _Chunked(Good):
    """Sends its bodies in chunks."""

    last: ClassVar[bytes] = b"0\r\n\r\n"

    def framing(self, _body: bytes) -> dict[str, str]:
        """Chunks."""
        return {"Transfer-Encoding": "chunked"}

    def body(self, body: bytes) -> None:
        """One chunk and the end."""
        self.wfile.write(b"%x\r\n%s\r\n%s" % (len(body), body, self.last))


@caught("wire", "answer_is_framed_in_exactly_one_way")
class FramedTwice(_Chunked):
    """Says how long its body is, and sends it in chunks."""

    def framing(self, body: bytes) -> dict[str, str]:
        """Both ways."""
        return {"Content-Length": str(len(body)), **super().framing(body)}


@caught("wire", "answer_is_framed_in_exactly_one_way", among="framed or well_formed or follows")
class SaysTheLengthTwice(Good):
    """Has one layer too many that adds the length."""

    def framing(self, body: bytes) -> dict[str, str]:
        """The same header in two spellings."""
        return {"Content-Length": str(len(body)), "content-length": str(len(body))}


@caught("wire", "answer_is_framed_in_exactly_one_way", "request_may_arrive_in_pieces", among="framed or pieces")
class CutsChunksShort(_Chunked):
    """Leaves out the last chunk and closes."""

    last = b""

    def body(self, body: bytes) -> None:
        """No end."""
        super().body(body)
        self.close_connection = True


@caught("wire", "nothing_follows_an_answer", "connection_close_is_honoured", among="follows or honoured")
class PromisesMore(Good):
    """Counts letters that are not there, and closes."""

    def framing(self, body: bytes) -> dict[str, str]:
        """Two more."""
        self.close_connection = True
        return {"Content-Length": str(len(body) + 2)}


@caught("wire", "nothing_follows_an_answer", "close_is_announced_before_it_happens",
        "connection_is_kept_or_closed_as_declared", "connection_close_is_honoured",
        "pipelined_requests_are_answered_in_order",
        "body_of_a_refused_request_is_not_taken_for_the_next_request")  # fmt: skip
class SendsMore(Good):
    """Sends a line end after its body that it does not count."""

    def body(self, body: bytes) -> None:
        """Two bytes more."""
        self.wfile.write(body + b"\r\n")


@caught("wire", "connection_is_kept_or_closed_as_declared", "close_is_announced_before_it_happens",
        "pipelined_requests_are_answered_in_order")  # fmt: skip
class ClosesSilently(Good):
    """Closes a connection that it declared to keep, and does not say so."""

    def body(self, body: bytes) -> None:
        """The last on its connection."""
        super().body(body)
        self.close_connection = True


@caught("wire", "connection_is_kept_or_closed_as_declared", "pipelined_requests_are_answered_in_order")
class ClosesAsAnnounced(Closing):
    """Closes a connection that it declared to keep, and says so."""


@caught("wire", "connection_close_is_honoured", among="honoured or kept")
class IgnoresConnectionClose(Good):
    """Keeps a connection that the client wants closed."""

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Go on."""
        self.close_connection = False
        super().answer(status, body, headers)


@caught("wire", "request_may_arrive_byte_by_byte", "request_may_arrive_in_pieces", among="arrive or hello")
class HangsOnPieces(Good):
    """Reads a request once and waits for ever if it was not whole."""

    def handle_one_request(self) -> None:
        """One read per request."""
        self.rfile.peek(1)  # type: ignore[attr-defined]
        seen = self.rfile.peek()  # type: ignore[attr-defined]
        if seen and b"\r\n\r\n" not in seen:
            self.stopping.wait(3)
            self.close_connection = True
        else:
            super().handle_one_request()


@caught("wire", "connection_is_kept_or_closed_as_declared", among="kept or honoured", keep_alive=False)
class KeepsWhatItShouldClose(Good):
    """Keeps a connection that it declared to close."""


@caught("wire", "pipelined_requests_are_answered_in_order", among="pipelined or kept or arrive")
class DropsPipelined(Good):
    """Throws away what came together with a request."""

    def read_body(self) -> None:
        """The body and all else that is there."""
        super().read_body()
        self.rfile.read(len(self.buffered()))


@caught("wire", "pipelined_requests_are_answered_in_order")
class AnswersOutOfOrder(Good):
    """Answers whichever of several requests is ready first."""

    def wait(self, delay_s: float) -> None:
        """Others first."""
        if self.buffered():
            self.handle_one_request()
        super().wait(delay_s)


@caught("wire", "body_of_a_refused_request_is_not_taken_for_the_next_request")
class LeavesTheBody(Good):
    """Refuses a request, leaves its body on the connection and reads that as the next request."""

    def read_body(self) -> None:
        """Nothing."""


class _Breaks(Good):
    """Is broken for good by an exception that nobody caught."""

    broken: ClassVar[bool] = False

    def hello(self) -> None:
        """An answer, while it lives."""
        if self.broken:
            self.answer(500, b"")
        else:
            super().hello()


@caught("wire", "client_that_breaks_off_does_not_harm_the_next")
class BreaksOnReset(_Breaks):
    """Does not survive a connection that is reset while it reads a request."""

    def handle_one_request(self) -> None:
        """Read and answer."""
        try:
            super().handle_one_request()
        except ConnectionError:
            type(self).broken = not hasattr(self, "path")
            raise


@caught("wire", "client_that_leaves_during_a_sleep_does_not_harm_the_next")
class BreaksOnLostClient(_Breaks):
    """Does not survive a client that is gone when its answer is ready."""

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Write, and fail for ever after."""
        try:
            super().answer(status, body, headers)
            self.wfile.flush()
        except ConnectionError:
            type(self).broken = True
            raise


@caught("wire", "kept_connection_answers_request_after_request", "pipelined_requests_are_answered_in_order")
class RemembersTheFirstDelay(Good):
    """Keeps on its connection what belongs to one request."""

    def parse(self, text: str) -> int:
        """The delay that was asked for first on this connection."""
        self.__dict__.setdefault("first_ms", super().parse(text))
        return int(self.__dict__["first_ms"])
