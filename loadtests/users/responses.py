"""What is asked, what is accepted as an answer, and how the bytes that come back are judged.

A good answer is parsed once and its bytes are learned; the next one that has the same bytes is good as well, which
takes less than a tenth of a microsecond to see. One that differs in its date alone is the one learned from then on.
Whatever differs in more goes through httptools again.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

Check = Callable[[bytes], bool]
"""Says whether a whole body is right. It must depend on the body alone: it is not asked again about the same bytes."""

FIRST_FINAL_STATUS = 200
LONGEST_ANSWER_BYTES = 4 * 1024 * 1024
LONGEST_LEARNED_BYTES = 65536
DATE = re.compile(rb"\r\ndate:[ \t]*([^\r\n]+)\r\n", re.IGNORECASE)
VERSIONS = frozenset({"1.0", "1.1"})
"""Those in which an answer of this form can be; a server that claims another has not understood the request."""
VISIBLE = re.compile(rb"[ -~]*")
"""What a date may be made of, for the short comparison. Anything else is for the parser to judge."""


class Failure(StrEnum):
    """Why a request was not answered well. A wrong status is named ``status 503`` and the like."""

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


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a scenario, and what its answer must be: the body's bytes, or a check of them."""

    path: str
    expect: bytes | Check = field(kw_only=True)
    method: str = field(default="GET", kw_only=True)
    status: int = field(default=200, kw_only=True)
    headers: tuple[tuple[str, str], ...] = field(default=(), kw_only=True)
    body: bytes = field(default=b"", kw_only=True)
    weight: float = field(default=1, kw_only=True)
    """How often it is drawn, relative to others; the weight of the task that says it multiplies it."""
    timeout_s: float = field(default=10, kw_only=True)
    max_answer_bytes: int = field(default=LONGEST_ANSWER_BYTES, kw_only=True)
    """The longest answer that is taken in, head included. A body without end would fill the memory otherwise."""
    name: str = field(default="", kw_only=True)
    """What statistics call it; its path by default."""

    @property
    def label(self) -> str:
        """Its name in the statistics."""
        return self.name or self.path

    def under(self, prefix: str) -> "Request":
        """The same request below a path prefix; statistics keep its name."""
        return replace(self, path=prefix + self.path, name=self.label) if prefix else self

    def wire(self, host: str) -> bytes:
        """The bytes that are sent to ``host``."""
        length = (("Content-Length", str(len(self.body))),) if self.body else ()
        headers = (("Host", host), ("Accept", "*/*"), *self.headers, *length)
        lines = (f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", "")
        return "\r\n".join(lines).encode("latin-1") + self.body

    def fault(self, status: int, body: bytes) -> Failure | str | None:
        """Why a whole answer is not the one wanted; ``None`` if it is."""
        if status != self.status:
            return f"status {status}"
        return None if self.accepts(body) else Failure.WRONG_BODY

    def accepts(self, body: bytes) -> bool:
        """Whether ``body`` is the right one; a check that raises has not accepted it."""
        if isinstance(self.expect, bytes):
            return body == self.expect
        try:
            return self.expect(body)
        except Exception:  # noqa: BLE001 -- a user's check may raise anything, and the load goes on
            return False


def json_string(text: str) -> Check:
    """A check for a body that is this string in JSON, however it is spelled."""
    return lambda body: bool(json.loads(body) == text)


@dataclass(slots=True, kw_only=True)
class LearnedResponse:
    """The bytes of a good answer, from status line to end of body, with its date left open."""

    length: int
    head: bytes
    tail: bytes
    body_bytes: int
    keep_alive: bool
    latest: bytes | None = None
    """The answer whole, as it was seen last; to be compared with first."""

    def matches(self, data: bytes) -> bool:
        """Whether ``data`` is this answer, whole; if so, it is the latest."""
        if len(data) != self.length or not data.endswith(self.tail) or not data.startswith(self.head):
            return False
        if VISIBLE.fullmatch(data, len(self.head), self.length - len(self.tail)) is None:
            return False
        self.latest = data
        return True

    def begins(self, data: bytes) -> bool:
        """Whether ``data`` can still become this answer, and is not yet whole."""
        if not len(self.head) <= len(data) < self.length:
            return False
        after_date = self.length - len(self.tail)
        return data.startswith(self.head) and self.tail.startswith(data[after_date:])


NO_RESPONSE = LearnedResponse(length=-1, head=b"", tail=b"", body_bytes=0, keep_alive=False)
"""What no data match."""


class ResponseReader:
    """The answer to one request as it arrives, in as many pieces as it pleases."""

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
        """What has arrived of the body."""
        return b"".join(self._body)

    @property
    def over(self) -> bool:
        """Whether nothing more is to be expected."""
        return self.complete or self.failure is not None

    def feed(self, data: bytes) -> None:
        """Take in what has been received."""
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
        """Take in that the server has closed the connection: the end of a body that has no length, or a failure."""
        if self.status and not self._framed and not self.over:
            self.complete = True
        elif not self.over:
            self.failure = Failure.CUT_SHORT if self._seen_bytes else Failure.CLOSED

    def learn(self) -> LearnedResponse:
        """What to compare the next answer with; to be asked of a good one."""
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

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A second answer to one request is one too many; the answers before the final one (1xx) are not counted."""
        if self.complete:
            self.failure = Failure.EXTRA_BYTES

    def on_header(self, name: bytes, value: bytes) -> None:
        """Notice whether the body says where it ends."""
        known = name.lower()
        if known == b"content-length" or (known == b"transfer-encoding" and value.lower().endswith(b"chunked")):
            self._framed = True

    def on_headers_complete(self) -> None:
        """Keep what the head of the final answer says; answers before it (1xx) only announce it."""
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
        """The final answer is whole."""
        if self.status:
            self.complete = True
        else:
            self._framed = False


def judge(request: Request, answer: ResponseReader) -> Failure | str | None:
    """Why an answer that is over is not the one wanted; ``None`` if it is."""
    return request.fault(answer.status, answer.body) if answer.failure is None else answer.failure
