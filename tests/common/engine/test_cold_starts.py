"""The wait for a second engine."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any

import pytest

from common.engine.cold_starts import _answers


class NewEngine(BaseHTTPRequestHandler):
    """Answers as Docker Engine 29 does, which refuses the API versions of old engines."""

    def do_GET(self) -> None:
        """Answer questions without an API version."""
        self.send_response(200 if self.path == "/version" else 400)
        self.end_headers()
        self.wfile.write(b'{"Version": "29.0.0"}')

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 -- the signature is the library's
        """Keep the output clean."""


@pytest.fixture
def sock(tmp_path: Path) -> Iterator[Path]:
    """The socket of an engine that answers."""
    with UnixStreamServer(str(tmp_path / "s"), NewEngine) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield tmp_path / "s"
        finally:
            server.shutdown()
            thread.join()


def test_engine_that_refuses_old_api_versions_answers(sock: Path) -> None:
    assert _answers(sock)


def test_engine_without_a_socket_does_not_answer(tmp_path: Path) -> None:
    assert not _answers(tmp_path / "s")
