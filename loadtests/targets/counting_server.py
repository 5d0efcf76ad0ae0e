"""A very cheap server that counts its requests: nginx if it is installed, otherwise one in Python."""

import json
import os
import re
import shutil
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common.host.folders import temporary_folder
from common.host.network import HOST, free_port
from common.host.readiness import responds, wait_until
from common.host.supervisor import supervised
from common.project import ROOT

CLOSING = "/closing"
"""Below this path every response closes its connection."""
_NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
  access_log off; default_type application/json; keepalive_requests 1000000000; keepalive_timeout 1h;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{
    listen {host}:{port} backlog=4096;
    location / {{ return 200 '"hello world"'; }}
    location {closing} {{ keepalive_timeout 0; return 200 '"hello world"'; }}
    location = /answered {{ stub_status; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountingServer:
    """A server that counts its requests."""

    url: str
    answered: Callable[[], int]
    """Returns the number of requests answered, without its own probes."""


def server_name() -> str:
    """Return which counting server this machine has."""
    return "nginx" if _nginx() else "a Python server"


@contextmanager
def counting_server(cores: Sequence[int]) -> Iterator[CountingServer]:
    """Run a counting server on ``cores`` while the block runs."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    nginx = _nginx()
    with temporary_folder("server") as folder:
        script = ROOT / "loadtests" / "targets" / "trivial_server.py"
        line = _nginx_line(nginx, folder, port) if nginx else [sys.executable, "-P", str(script), HOST, str(port)]
        with supervised(line, cwd=ROOT, cores=cores) as program:
            wait_until(lambda: responds(url), program.exit_reason, name="the counting server", output=program.output)
            asked = 0

            def answered() -> int:
                nonlocal asked
                asked += 1 if nginx else 0
                return _count(f"{url}/answered") - asked

            yield CountingServer(url=url, answered=answered)


def _nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def _nginx_line(nginx: str, folder: Path, port: int) -> list[str]:
    folder.chmod(0o755)  # its worker may be another user
    file = folder / "nginx.conf"
    file.write_text(_NGINX.format(folder=folder, host=HOST, port=port, closing=CLOSING))
    return [nginx, "-p", str(folder), "-c", str(file), "-e", "stderr"]


def _count(url: str) -> int:
    """Return the requests in nginx's ``stub_status``, probes included, or the sum of our own server's counts."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as response:
        text = response.read().decode()
    if text.startswith("{"):
        return sum(json.loads(text).values())
    found = re.search(r"^ \d+ \d+ (\d+)", text, re.MULTILINE)
    assert found is not None, text
    return int(found[1])
