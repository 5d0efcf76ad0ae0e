"""The trivial server runs wherever there is a Python, and counts by client."""

import json
import socket
import subprocess
import sys
import threading

from common.project import ROOT
from loadtests.targets.trivial_server import Server

FILE = "loadtests/targets/trivial_server.py"


def test_the_trivial_server_needs_nothing_but_python() -> None:
    line = [sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path('{FILE}')"]
    assert subprocess.run(line, cwd=ROOT, check=False).returncode == 0


def test_it_counts_by_client_and_survives_one_that_resets() -> None:
    server = Server("127.0.0.1", 0)
    threading.Thread(target=server.run, daemon=True).start()
    port = server._listener.getsockname()[1]
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /hello HTTP/1.1\r\n\r\n")
            assert client.recv(4096).endswith(b'"hello world"')
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /answered HTTP/1.1\r\n\r\n")
        answer = client.makefile("rb").read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert json.loads(body) == {"127.0.0.1": 2}
