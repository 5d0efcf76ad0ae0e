"""The wait for a second engine."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any

import pytest

from common.engine import cold_starts
from common.engine.cold_starts import PLACE, _answers, remove_orphaned_engines
from common.host.ownership import place_id


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


def test_folders_of_orphaned_engines_are_removed_unless_they_are_of_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cold_starts, "ENGINES", tmp_path)
    for name, place in (("4194305-1", place_id()), ("4194305-2", None), ("4194305-3", "other:boot:1")):
        (tmp_path / name).mkdir()
        if place is not None:
            (tmp_path / name / PLACE).write_text(place)
    remove_orphaned_engines()
    assert [folder.name for folder in tmp_path.iterdir()] == ["4194305-3"]
