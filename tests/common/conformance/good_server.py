"""A correct server, on the standard library alone; each faulty server overrides one of its methods or attributes."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import unquote

from common.contract import BAD_DELAY, HELLO, parse_delay, slept

JSON = "application/json"


class Good(BaseHTTPRequestHandler):
    """A correct server that keeps connections open; whatever a fault changes is a separate method or attribute."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 20

    content_type: ClassVar[str | None] = JSON
    allow: ClassVar[str | None] = "GET, HEAD"
    closes: ClassVar[bool] = False
    stopping: ClassVar[threading.Event] = threading.Event()

    def route(self) -> None:
        """Answer one request."""
        self.read_body()
        path = self.normal_path(self.path.partition("?")[0])
        if path == "/hello":
            self.hello()
        elif path.startswith("/sleep/") and path.count("/") == 2:
            self.sleep(unquote(path.removeprefix("/sleep/")))
        else:
            self.not_found()

    def _dispatch(self) -> None:
        self.route()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_PROPFIND = _dispatch  # noqa: N815 -- the library's names

    def read_body(self) -> None:
        """Read the request's body, so that the next request on the connection starts at the right byte."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def normal_path(self, path: str) -> str:
        """Return the path that is used for routing."""
        return path

    def accepts_method(self) -> bool:
        """Return whether the contract lists the request's method."""
        return self.command in {"GET", "HEAD"}

    def hello(self) -> None:
        """Answer ``/hello``."""
        if self.accepts_method():
            self.answer(200, self.encode(self.greeting()))
        else:
            self.wrong_method()

    def greeting(self) -> object:
        """Return the value that ``/hello`` sends."""
        return HELLO

    def sleep(self, text: str) -> None:
        """Answer ``/sleep/{text}``."""
        if not self.accepts_method():
            self.wrong_method()
            return
        try:
            delay_ms = self.parse(text)
        except ValueError:
            self.bad_delay(text)
            return
        self.wait(delay_ms / 1000)
        self.answer(200, self.encode(self.slept(text, delay_ms)))

    def parse(self, text: str) -> int:
        """Return the delay in milliseconds; raise ``ValueError`` if it is invalid."""
        return parse_delay(text)

    def wait(self, delay_s: float) -> None:
        """Sleep, but stop at once if the server stops."""
        self.stopping.wait(delay_s)

    def slept(self, _text: str, delay_ms: int) -> str:
        """Return the value that ``/sleep`` sends."""
        return slept(delay_ms)

    def bad_delay(self, _text: str) -> None:
        """Refuse an invalid delay."""
        self.answer(400, self.encode({"error": BAD_DELAY}))

    def buffered(self) -> bytes:
        """Return the bytes that arrived after this request and have not been read."""
        self.connection.settimeout(0)
        data: bytes = self.rfile.peek()  # type: ignore[attr-defined]
        self.connection.settimeout(self.timeout)
        return data

    def wrong_method(self) -> None:
        """Refuse a method that the contract does not list."""
        self.answer(405, self.encode({"error": "method"}), {} if self.allow is None else {"Allow": self.allow})

    def not_found(self) -> None:
        """Refuse a path that the contract does not list."""
        self.answer(404, self.encode({"error": "path"}))

    def encode(self, value: object) -> bytes:
        """Return the body for a value."""
        return json.dumps(value).encode()

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send a complete answer."""
        self.head(status, {**self.framing(body), **(headers or {})})
        if self.command != "HEAD":
            self.body(body)

    def framing(self, body: bytes) -> dict[str, str]:
        """Return the headers that mark the end of the body."""
        return {"Content-Length": str(len(body))}

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Send the status line and the headers."""
        self.send_response(status)
        if self.content_type is not None:
            self.send_header("Content-Type", self.content_type)
        if self.closes:
            self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def body(self, body: bytes) -> None:
        """Send the body."""
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Closing(Good):
    """A correct server that closes each connection after its answer, and announces it."""

    closes = True


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Ignore clients that disconnect."""


@contextmanager
def serving(handler: type[Good]) -> Iterator[str]:
    """Run a server that answers with ``handler`` and yield its URL; all its sleeps end with the context."""
    stopping = threading.Event()
    fresh = type(handler.__name__, (handler,), {"stopping": stopping})
    with _Server(("127.0.0.1", 0), fresh) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            stopping.set()
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    with serving(Good) as url:
        print(url, flush=True)  # noqa: T201
        time.sleep(3600)
