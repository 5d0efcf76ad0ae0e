"""Requests, the responses they accept, and how the bytes that come back are judged.

A good response is parsed once and its bytes are learned. The next response with the same bytes is good as well, which
takes less than a tenth of a microsecond to check. A response that differs only in its date replaces the learned one.
Anything else is parsed by httptools again.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

Check = Callable[[bytes], bool]
"""Returns whether a whole body is right. It must depend on the body alone, since equal bytes are checked only once."""

FIRST_FINAL_STATUS = 200
LONGEST_ANSWER_BYTES = 4 * 1024 * 1024
LONGEST_LEARNED_BYTES = 65536
DATE = re.compile(rb"\r\ndate:[ \t]*([^\r\n]+)\r\n", re.IGNORECASE)
VERSIONS = frozenset({"1.0", "1.1"})
"""The versions of HTTP whose responses have this form."""
VISIBLE = re.compile(rb"[ -~]*")
"""The bytes that a date may hold in the fast comparison; anything else is left to the parser."""


class Failure(StrEnum):
    """The reason why a request failed. A wrong status is named by its code, such as ``status 503``."""

    WRONG_BODY = "wrong body"
    MALFORMED = "malformed answer"
    EXTRA_BYTES = "bytes after the answer"
    TOO_LONG = "answer too long"
    CUT_SHORT = "answer cut short"
    CLOSED = "closed before answering"
    RESET = "connection reset"
    TIMEOUT = "timeout"
    REFUSED = "connection refused"
    NO_PORT = "no free port"


ACCEPT = ("Accept", "*/*")
"""Sent with every request, as real clients do. A server that parses headers in Python spends microseconds on each."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a scenario, with the status and the body, or a check of the body, that its response must have."""

    path: str
    expect: bytes | Check = field(kw_only=True)
    method: str = field(default="GET", kw_only=True)
    status: int = field(default=200, kw_only=True)
    headers: tuple[tuple[str, str], ...] = field(default=(), kw_only=True)
    body: bytes = field(default=b"", kw_only=True)
    weight: float = field(default=1, kw_only=True)
    """Its frequency relative to others; multiplied by the weight of its task."""
    timeout_s: float = field(default=10, kw_only=True)
    max_answer_bytes: int = field(default=LONGEST_ANSWER_BYTES, kw_only=True)
    """The longest response that is accepted, head included, so that an endless body does not fill the memory."""
    name: str = field(default="", kw_only=True)
    """Its name in the statistics; the path by default."""

    @property
    def label(self) -> str:
        """The name in the statistics."""
        return self.name or self.path

    def under(self, prefix: str) -> "Request":
        """Return the same request below a path prefix, with its name in the statistics unchanged."""
        return replace(self, path=prefix + self.path, name=self.label) if prefix else self

    def wire(self, host: str) -> bytes:
        """Return the bytes to send to ``host``."""
        length = (("Content-Length", str(len(self.body))),) if self.body else ()
        headers = (("Host", host), ACCEPT, *self.headers, *length)
        lines = (f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", "")
        return "\r\n".join(lines).encode("latin-1") + self.body

    def fault(self, status: int, body: bytes) -> Failure | str | None:
        """Return why a whole response is wrong; ``None`` if it is right."""
        if status != self.status:
            return f"status {status}"
        return None if self.accepts(body) else Failure.WRONG_BODY

    def accepts(self, body: bytes) -> bool:
        """Return whether ``body`` is right; a check that raises rejects it."""
        if isinstance(self.expect, bytes):
            return body == self.expect
        try:
            return self.expect(body)
        except Exception:  # noqa: BLE001 -- a user's check may raise anything, and the load goes on
            return False


def json_string(text: str) -> Check:
    """Return a check for a body that is this string in JSON, in any JSON spelling."""
    return lambda body: bool(json.loads(body) == text)


@dataclass(slots=True, kw_only=True)
class LearnedResponse:
    """The bytes of a good response, from status line to end of body, apart from its date."""

    length: int
    head: bytes
    tail: bytes
    body_bytes: int
    keep_alive: bool
    latest: bytes | None = None
    """The whole response as last received, which is compared first."""

    def matches(self, data: bytes) -> bool:
        """Return whether ``data`` is this whole response; if so, remember it as the latest."""
        if len(data) != self.length or not data.endswith(self.tail) or not data.startswith(self.head):
            return False
        if VISIBLE.fullmatch(data, len(self.head), self.length - len(self.tail)) is None:
            return False
        self.latest = data
        return True

    def begins(self, data: bytes) -> bool:
        """Return whether ``data`` is an incomplete beginning of this response."""
        if not len(self.head) <= len(data) < self.length:
            return False
        after_date = self.length - len(self.tail)
        return data.startswith(self.head) and self.tail.startswith(data[after_date:])


NO_RESPONSE = LearnedResponse(length=-1, head=b"", tail=b"", body_bytes=0, keep_alive=False)
"""Matches no data."""


class ResponseReader:
    """Reads the response to one request as it arrives, in any number of pieces."""

    __slots__ = (
        "_body",
        "_framed",
        "_head_only",
        "_max_bytes",
        "_parser",
        "_raw",
        "_seen_bytes",
        "complete",
        "failure",
        "keep_alive",
        "status",
    )

    def __init__(self, method: str = "GET", *, max_bytes: int = LONGEST_ANSWER_BYTES) -> None:
        self.complete = False
        self.failure: Failure | None = None
        self.keep_alive = False
        self.status = 0
        self._head_only = method == "HEAD"
        self._max_bytes = max_bytes
        self._framed = False
        self._seen_bytes = 0
        self._raw: list[bytes] = []
        self._body: list[bytes] = []
        self._parser = HttpResponseParser(self)

    @property
    def body(self) -> bytes:
        """The part of the body received so far."""
        return b"".join(self._body)

    @property
    def over(self) -> bool:
        """Whether the response has ended, whole or failed."""
        return self.complete or self.failure is not None

    def feed(self, data: bytes) -> None:
        """Parse received data."""
        self._seen_bytes += len(data)
        if self._seen_bytes <= LONGEST_LEARNED_BYTES:
            self._raw.append(data)
        if self._seen_bytes > self._max_bytes:
            self.failure = Failure.TOO_LONG
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self.failure = Failure.EXTRA_BYTES if self.complete else Failure.MALFORMED

    def end(self) -> None:
        """Handle the end of the connection: it ends a body without a length, and is a failure otherwise."""
        if self.status and not self._framed and not self.over:
            self.complete = True
        elif not self.over:
            self.failure = Failure.CUT_SHORT if self._seen_bytes else Failure.CLOSED

    def learn(self) -> LearnedResponse:
        """Return what the next response is compared with; call this for good responses only."""
        raw = b"".join(self._raw)
        if self._seen_bytes > LONGEST_LEARNED_BYTES or not self._framed:
            return NO_RESPONSE
        date = DATE.search(raw, 0, raw.find(b"\r\n\r\n") + 2)
        start, end = date.span(1) if date else (len(raw), len(raw))
        return LearnedResponse(
            length=len(raw),
            head=raw[:start],
            tail=raw[end:],
            body_bytes=len(self.body),
            keep_alive=self.keep_alive,
            latest=raw,
        )

    # Called by the parser.

    def on_message_begin(self) -> None:
        """Fail on a second final response; informational ones (1xx) are not counted."""
        if self.complete:
            self.failure = Failure.EXTRA_BYTES

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note whether the body's length is declared."""
        header = name.lower()
        if header == b"content-length" or (header == b"transfer-encoding" and value.lower().endswith(b"chunked")):
            self._framed = True

    def on_headers_complete(self) -> None:
        """Keep status and keep-alive of the final response; informational ones (1xx) are skipped."""
        if self._parser.get_http_version() not in VERSIONS:
            self.failure = Failure.MALFORMED
        status = self._parser.get_status_code()
        if status >= FIRST_FINAL_STATUS and not self.complete:
            self.status = status
            self.keep_alive = self._parser.should_keep_alive()
            self.complete = self._head_only

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """Mark the final response as complete."""
        if self.status:
            self.complete = True
        else:
            self._framed = False


def judge(request: Request, response: ResponseReader) -> Failure | str | None:
    """Return why a response that has ended is wrong; ``None`` if it is right."""
    return request.fault(response.status, response.body) if response.failure is None else response.failure
