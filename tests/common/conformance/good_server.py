"""A server that keeps the contract, on the standard library alone; faulty servers override one method of it each."""

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
    """Keeps its connections; each thing that a fault changes is a method or an attribute of its own."""

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

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _dispatch  # noqa: N815 -- the library's

    def read_body(self) -> None:
        """Take the request's body off the connection, so that the next request starts where it should."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def normal_path(self, path: str) -> str:
        """The path that routing sees."""
        return path

    def accepts_method(self) -> bool:
        """Whether the request's method is one of the contract's."""
        return self.command in {"GET", "HEAD"}

    def hello(self) -> None:
        """Answer ``/hello``."""
        if self.accepts_method():
            self.answer(200, self.encode(self.greeting()))
        else:
            self.wrong_method()

    def greeting(self) -> object:
        """What ``/hello`` says."""
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
        """The delay in milliseconds."""
        return parse_delay(text)

    def wait(self, delay_s: float) -> None:
        """Wait, unless the server stops meanwhile."""
        self.stopping.wait(delay_s)

    def slept(self, _text: str, delay_ms: int) -> str:
        """What ``/sleep`` says."""
        return slept(delay_ms)

    def bad_delay(self, _text: str) -> None:
        """Refuse a delay."""
        self.answer(400, self.encode({"error": BAD_DELAY}))

    def buffered(self) -> bytes:
        """What came together with this request and was not read."""
        self.connection.settimeout(0)
        found: bytes = self.rfile.peek()  # type: ignore[attr-defined]
        self.connection.settimeout(self.timeout)
        return found

    def wrong_method(self) -> None:
        """Refuse a method."""
        self.answer(405, self.encode({"error": "method"}), {} if self.allow is None else {"Allow": self.allow})

    def not_found(self) -> None:
        """Refuse a path."""
        self.answer(404, self.encode({"error": "path"}))

    def encode(self, value: object) -> bytes:
        """The body that stands for a value."""
        return json.dumps(value).encode()

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send one whole answer."""
        self.head(status, {**self.framing(body), **(headers or {})})
        if self.command != "HEAD":
            self.body(body)

    def framing(self, body: bytes) -> dict[str, str]:
        """The header that says where the body ends."""
        return {"Content-Length": str(len(body))}

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Send status line and headers."""
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
        """Say nothing."""


class Closing(Good):
    """Closes each connection after its answer, and says so."""

    closes = True


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """A client that goes away is none of the tests' business."""


@contextmanager
def serving(handler: type[Good]) -> Iterator[str]:
    """The URL of a server that answers with ``handler``; its threads and sleeps end with it."""
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
