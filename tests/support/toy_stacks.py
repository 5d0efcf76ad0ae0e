"""A framework that needs nothing: a folder as under ``frameworks/``, whose server is the standard library's."""

import json
from collections.abc import Mapping
from pathlib import Path

from common.catalog.frameworks import LOCK, Framework
from common.catalog.servers import SERVERS
from common.catalog.stacks import Stack

APP = """\
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from common.contract import HELLO


def spin():
    while True:
        pass


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/spin":
            threading.Thread(target=spin, daemon=True).start()
        if self.path == "/server/grow" or (self.path == "/worker/grow" and os.fork() == 0):
            bytearray(512 * 1024**2)[::4096] = b"x" * (512 * 1024 // 4)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(HELLO).encode())


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
"""


def toy_stack(
    root: Path,
    name: str,
    *,
    app: str = APP,
    dependencies: tuple[str, ...] = (),
    lock: str = "",
    unavailable: Mapping[str, str] | None = None,
) -> Stack:
    """The stack of a framework that is written into ``root / name``; its server answers ``GET`` on any path."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(app)
    (folder / LOCK).write_text(lock)
    reasons = "".join(f"{key} = {json.dumps(reason)}\n" for key, reason in (unavailable or {}).items())
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "stack-{name}"\nversion = "0"\ndependencies = {json.dumps(dependencies)}\n'
        f'[tool.stack]\ntitle = "Toy"\ninterface = "native"\ncommand = "python3 app.py {{port}}"\n'
        f"[tool.stack.unavailable]\n{reasons}"
    )
    return Stack(framework=Framework.load(folder), server=SERVERS["native"])
