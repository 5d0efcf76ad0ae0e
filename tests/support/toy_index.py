"""A package index on this machine, for what uv does with one and not with a folder of wheels."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest


class Index(SimpleHTTPRequestHandler):
    """A package index in JSON of the wheels in a folder, each uploaded on its day at noon."""

    days: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        """Answer with the list of a project's files, or with a file."""
        if not self.path.startswith("/simple/"):
            super().do_GET()
            return
        files = [
            {"filename": name, "url": f"/{name}", "hashes": {"sha256": _digest(Path(self.directory, name))}}
            | ({"upload-time": f"{self.days[name]}T12:00:00Z"} if name in self.days else {})
            for name in sorted(one.name for one in Path(self.directory).glob(f"{self.path.split('/')[2]}-*.whl"))
        ]
        body = json.dumps({"meta": {"api-version": "1.1"}, "name": "any", "files": files}).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def toy_index(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve a folder of wheels, made in ``place``, as the only index that uv knows; yield the folder."""
    folder = place / "index"
    folder.mkdir()
    monkeypatch.setenv("UV_CACHE_DIR", str(place / "uv"))
    monkeypatch.setenv("UV_NO_INDEX", "")
    monkeypatch.setenv("UV_FIND_LINKS", "")
    monkeypatch.setenv("UV_INDEX", "")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Index, directory=str(folder))) as server:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{server.server_port}/simple")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder
        server.shutdown()
        thread.join()


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
