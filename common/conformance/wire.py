"""One TCP connection on which requests are written as bytes and answers are read strictly, byte for byte."""

import re
import socket
import struct
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import h11

from common.conformance.endpoint import Endpoint

_READ_SIZE_BYTES = 65536
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


class MalformedResponseError(AssertionError):
    """What arrived is not one whole HTTP/1.1 answer, or did not arrive in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One whole answer as it came over the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, in the order they came."""
    body: bytes
    """Without chunk headers."""
    raw: bytes
    """All of its bytes, chunk headers included."""
    first_byte_at_s: float
    """On the clock of ``time.perf_counter``."""

    @property
    def head(self) -> bytes:
        """Status line and header lines, without the blank line."""
        return _BLANK_LINE.split(self.raw, maxsplit=1)[0]

    def values(self, name: str) -> list[str]:
        """Every value of the header with that lower-case name."""
        return [value for header, value in self.headers if header == name]


class Wire:
    """A connection that a test writes to and reads from; each wait ends after ``patience_s`` at the latest."""

    def __init__(self, target: Endpoint, *, patience_s: float) -> None:
        self.patience_s = patience_s
        self._authority = target.authority
        self._unread = b""
        self._socket = socket.create_connection((target.host, target.port), timeout=patience_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close at once: a server that lingers for its peer's close is not kept waiting."""
        self._socket.close()

    def reset(self) -> None:
        """Break the connection off with a TCP reset, as a client that crashed does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def request(self, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
        """The bytes of a request for ``path``, which goes out as it is."""
        framing = [f"Content-Length: {len(body)}"] if body or method in {"POST", "PUT", "PATCH"} else []
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._authority}", *framing, *headers]
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode() + body

    def send(self, data: bytes) -> float:
        """Write the bytes; gives the time just before, on the clock of ``time.perf_counter``."""
        sent_at_s = time.perf_counter()
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise MalformedResponseError(f"the server refused the bytes of a request: {error}") from error
        return sent_at_s

    def ask(self, path: str, *headers: str) -> Response:
        """The answer to one whole GET request."""
        self.send(self.request(path, *headers))
        return self.answer()

    def answer(self, method: str = "GET") -> Response:
        """The next answer on this connection, to a request of that method."""
        deadline_s = time.perf_counter() + self.patience_s
        parser, raw, first_byte_at_s = _parser(method), b"", 0.0
        head: h11.Response | None = None
        body = b""
        while True:
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError as error:
                raise MalformedResponseError(
                    f"the answer is not valid HTTP: {error}. Received: {raw[-200:]!r}"
                ) from error
            match event:
                case h11.Response():
                    head = event
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage() if head is not None:
                    self._unread = parser.trailing_data[0]
                    return _answer(head, body, raw.removesuffix(self._unread), first_byte_at_s)
                case h11.NEED_DATA:
                    data = self._unread or self._receive(deadline_s, raw)
                    self._unread = b""
                    first_byte_at_s = first_byte_at_s or time.perf_counter()
                    raw += data
                    parser.receive_data(data)
                case _:
                    raise MalformedResponseError(f"the connection ended within an answer. Received: {raw[-200:]!r}")

    def is_silent(self, for_s: float) -> bool:
        """Whether the server neither sends a byte nor closes for so long."""
        if self._unread:
            return False
        self._socket.settimeout(for_s)
        try:
            self._unread = self._socket.recv(_READ_SIZE_BYTES)
        except TimeoutError:
            return True
        except OSError:
            return False
        return False

    def surplus(self, within_s: float) -> bytes:
        """What the server sent that no answer accounts for, waiting so long for more."""
        self.is_silent(within_s)
        return self._unread

    def is_closed_by_server(self) -> bool:
        """Whether the server closes the connection, and sends nothing before it does."""
        return not self.is_silent(self.patience_s) and not self._unread

    def _receive(self, deadline_s: float, so_far: bytes) -> bytes:
        self._socket.settimeout(max(deadline_s - time.perf_counter(), 0.001))
        try:
            return self._socket.recv(_READ_SIZE_BYTES)
        except TimeoutError as error:
            raise MalformedResponseError(
                f"no whole answer within {self.patience_s:g} s. Received so far: {so_far[-200:]!r}"
            ) from error
        except OSError as error:
            raise MalformedResponseError(
                f"the connection broke: {error}. Received so far: {so_far[-200:]!r}"
            ) from error


def _parser(method: str) -> h11.Connection:
    """A reader of one answer to a request of that method."""
    parser = h11.Connection(our_role=h11.CLIENT)
    parser.send(h11.Request(method=method, target="/", headers=[("Host", "any")]))
    parser.send(h11.EndOfMessage())
    return parser


def _answer(head: h11.Response, body: bytes, raw: bytes, first_byte_at_s: float) -> Response:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
    return Response(status=head.status_code, headers=headers, body=body, raw=raw, first_byte_at_s=first_byte_at_s)
