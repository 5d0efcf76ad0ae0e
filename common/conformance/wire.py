"""The address of the stack under test, and a TCP connection whose responses tests read strictly, byte by byte."""

import re
import socket
import struct
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, urlsplit

import h11

from common.errors import BenchmarkError, UsageError

ACCEPTED = "Accepted: http://HOST:PORT, such as http://127.0.0.1:8000"
CONNECT_TIMEOUT_S = 5.0
_READ_SIZE_BYTES = 65536
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The host and port of a plain HTTP server."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL to which paths are appended, without a slash at the end."""
        return f"http://{self.authority}"

    @property
    def authority(self) -> str:
        """The value of a ``Host`` header."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> "Endpoint":
        """Return the endpoint that ``URL=`` names, or raise ``UsageError``."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"invalid URL={url}: {error}. {ACCEPTED}.") from error
        if (reason := _refusal(parts)) is not None:
            raise UsageError(f"invalid URL={url}: {reason}. {ACCEPTED}.")
        return cls(host=parts.hostname or "", port=80 if port is None else port)

    def reach(self) -> None:
        """Open a connection and close it again; raise ``UsageError`` if that fails."""
        try:
            socket.create_connection((self.host, self.port), timeout=CONNECT_TIMEOUT_S).close()
        except (OSError, UnicodeError) as error:  # the latter for a name that cannot be one of a host
            raise UsageError(
                f"URL={self.url} cannot be reached: {getattr(error, 'strerror', None) or error}. "
                "It must be the address of a running server; make serve FRAMEWORK=... starts one and prints it."
            ) from error


def why_unreachable(error: BenchmarkError) -> str | None:
    """Return why ``reach`` failed, from its error, which the suite passes on as text; ``None`` for another error."""
    found = re.match(r"URL=\S+ cannot be reached: (.+?)\. It must be ", str(error))
    return None if found is None else found[1]


def _refusal(parts: SplitResult) -> str | None:
    """Return why the suite cannot use a URL, or ``None`` if it can."""
    if parts.scheme == "https":
        return "https is not supported, because the suite checks the bytes of plain HTTP"
    if parts.scheme != "http":
        return "the scheme is not http"
    if not parts.hostname:
        return "it has no host"
    if parts.username is not None:
        return "it contains credentials, which the suite would not send"
    if parts.path.strip("/") or parts.query or parts.fragment:
        return "it has a path, but the contract's paths start at the root"
    return None


class MalformedResponseError(AssertionError):
    """The server did not send one complete HTTP/1.1 response in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A complete response as it arrived."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, in the order in which they arrived."""
    body: bytes
    """The content, without chunk headers."""
    raw: bytes
    """All bytes of the response, including head and chunk headers."""
    first_byte_at_s: float
    """The time of the first byte, on the clock of ``time.perf_counter``."""

    @property
    def head(self) -> bytes:
        """The status line and the header lines, without the blank line."""
        return _BLANK_LINE.split(self.raw, maxsplit=1)[0]

    def values(self, name: str) -> list[str]:
        """Return every value of the header with this lower-case name."""
        return [value for header, value in self.headers if header == name]

    @property
    def announces_close(self) -> bool:
        """Whether it says that the connection is closed after it; HTTP/1.0 says so by default (RFC 9112, 9.3)."""
        options = {option.strip().casefold() for value in self.values("connection") for option in value.split(",")}
        return "close" in options or (self.raw.startswith(b"HTTP/1.0") and "keep-alive" not in options)


class Wire:
    """A connection to the stack under test; no wait for a response is longer than ``patience_s``."""

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
        """Close the connection at once, so that a server that waits for its peer to close is not kept waiting."""
        self._socket.close()

    def reset(self) -> None:
        """Abort the connection with a TCP reset, like a client that crashed."""
        # Lingering for 0 s makes close() discard unsent data and send RST instead of FIN.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def request(self, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
        """Return the bytes of a request; ``path`` is sent unchanged."""
        framing = [f"Content-Length: {len(body)}"] if body or method in {"POST", "PUT", "PATCH"} else []
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._authority}", *framing, *headers]
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode() + body

    def send(self, data: bytes) -> float:
        """Send the bytes and return the time just before, on the clock of ``time.perf_counter``."""
        sent_at_s = time.perf_counter()
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise MalformedResponseError(f"the connection broke while a request was sent: {error}") from error
        return sent_at_s

    def ask(self, path: str, *headers: str) -> Response:
        """Send a GET request and return the response."""
        self.send(self.request(path, *headers))
        return self.response()

    def response(self, method: str = "GET") -> Response:
        """Return the next response on this connection, which is to a request with this method.

        The parser needs the method, because a response to HEAD has no body whatever its headers say. Informational
        responses (1xx) are skipped. Bytes after the response are kept for the next one.
        """
        deadline_s = time.perf_counter() + self.patience_s
        parser, raw, first_byte_at_s = _parser(method), b"", 0.0
        head: h11.Response | None = None
        body = b""
        while True:
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError as error:
                if not raw:
                    raise MalformedResponseError("the connection was closed without an answer.") from error
                raise MalformedResponseError(
                    f"the response is not valid HTTP: {error}. Received: {raw[-200:]!r}"
                ) from error
            match event:
                case h11.Response():
                    head = event
                case h11.InformationalResponse():  # such as 103 Early Hints: the response is still to come
                    raw = parser.trailing_data[0]
                    first_byte_at_s = first_byte_at_s if raw else 0.0
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage() if head is not None:
                    self._unread = parser.trailing_data[0]
                    return _response(head, body, raw.removesuffix(self._unread), first_byte_at_s)
                case h11.NEED_DATA:
                    data = self._unread or self._receive(deadline_s, raw)
                    self._unread = b""
                    first_byte_at_s = first_byte_at_s or time.perf_counter()
                    raw += data
                    parser.receive_data(data)
                case _:
                    raise MalformedResponseError(
                        f"the connection was closed in the middle of a response. Received: {raw[-200:]!r}"
                    )

    def is_silent(self, for_s: float) -> bool:
        """Return whether the server neither sends a byte nor closes the connection for ``for_s``."""
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
        """Wait for ``within_s`` and return the bytes that do not belong to any response."""
        self.is_silent(within_s)
        return self._unread

    def is_closed_by_server(self) -> bool:
        """Return whether the server closes the connection without sending anything before."""
        return not self.is_silent(self.patience_s) and not self._unread

    def _receive(self, deadline_s: float, so_far: bytes) -> bytes:
        self._socket.settimeout(max(deadline_s - time.perf_counter(), 0.001))
        try:
            return self._socket.recv(_READ_SIZE_BYTES)
        except TimeoutError as error:
            raise MalformedResponseError(
                f"no complete response within {self.patience_s:g} s. Received so far: {so_far[-200:]!r}"
            ) from error
        except OSError as error:
            raise MalformedResponseError(
                f"the connection broke: {error}. Received so far: {so_far[-200:]!r}"
            ) from error


def _parser(method: str) -> h11.Connection:
    """Return a parser for one response to a request with this method."""
    parser = h11.Connection(our_role=h11.CLIENT)
    parser.send(h11.Request(method=method, target="/", headers=[("Host", "any")]))
    parser.send(h11.EndOfMessage())
    return parser


def _response(head: h11.Response, body: bytes, raw: bytes, first_byte_at_s: float) -> Response:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
    return Response(status=head.status_code, headers=headers, body=body, raw=raw, first_byte_at_s=first_byte_at_s)
