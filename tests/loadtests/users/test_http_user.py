"""What the tasks say is sent over Locust's FastHttpUser as well, to servers that speak TLS."""

import itertools
import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.loadtests.windows.test_window import USERS, locust


class _Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    numbers = itertools.count(1)

    def do_GET(self) -> None:
        good = next(self.numbers) % 5
        self.send_response(200)
        self.send_header("Content-Length", "13")
        self.end_headers()
        self.wfile.write(b'"hello world"' if good else b'"hello w0rld"')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _over_tls(folder: Path) -> Iterator[int]:
    """The port of a server with a certificate of its own; every fifth answer is wrong."""
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    subprocess.run([*make, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hello) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_fast_user_asks_over_tls_and_checks_the_answers(tmp_path: Path) -> None:
    with _over_tls(tmp_path) as port:
        options = (f"--host=https://127.0.0.1:{port}", "-t=2", f"--json-file={tmp_path / 'seen'}")
        done = locust(port, *options, scenario="TlsHello")
    (entry,) = json.loads((tmp_path / "seen.json").read_text())
    assert entry["num_requests"] > 20, done.stderr
    assert abs(entry["num_failures"] - entry["num_requests"] / 5) <= USERS


def test_a_class_without_tls_stops_the_test_beside_one_with_it() -> None:
    done = locust(9, "--host=https://127.0.0.1:9", "-t=20", "TlsHello", scenario="Hello")
    assert "https needs a FastUser." in done.stderr
    assert done.returncode != 0
