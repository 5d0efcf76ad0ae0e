"""What users do before they send, what they send over TLS, and how an invalid host ends the test."""

import itertools
import json
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from common.project import ROOT
from tests.support.locust_runs import LOCUSTFILE, USERS, keep_alive, locust, window
from tests.support.servers import serving


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
        """Log nothing."""


@contextmanager
def _over_tls(folder: Path) -> Iterator[int]:
    """Start a TLS server that answers every fifth request wrongly, and return its port."""
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


def test_every_user_opens_and_closes_a_connection_before_its_own(tmp_path: Path) -> None:
    """A server is not measured in the state that it has before a client first closes a connection."""
    with serving(keep_alive) as server:
        window(tmp_path / "window.json", server.address[1])
    assert server.accepted == 2 * USERS


def test_a_user_without_a_file_descriptor_left_is_counted_as_a_failure() -> None:
    few = ("sh", "-c", 'ulimit -n 60 && exec "$@"', "sh")
    with serving(keep_alive) as server:
        load = ("-u=100", "-r=100", "-t=2", f"--host=http://127.0.0.1:{server.address[1]}", "Hello")
        line = [*few, sys.executable, "-m", "locust", "-f", LOCUSTFILE, "--headless", "--only-summary", *load]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert "system error EMFILE" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_fast_user_sends_over_tls_and_checks_the_answers(tmp_path: Path) -> None:
    with _over_tls(tmp_path) as port:
        options = (f"--host=https://127.0.0.1:{port}", "-t=2", f"--json-file={tmp_path / 'seen'}")
        done = locust(port, *options, scenario="TlsHello")
    (entry,) = json.loads((tmp_path / "seen.json").read_text())
    assert entry["num_requests"] > 20, done.stderr
    assert abs(entry["num_failures"] - entry["num_requests"] / 5) <= USERS


def test_a_class_without_tls_is_refused_beside_one_with_it() -> None:
    """Locust itself would go on with the users of the other class alone."""
    done = locust(9, "--host=https://127.0.0.1:9", "-t=20", "TlsHello", scenario="Hello")
    assert "for https, use a FastUser." in done.stderr
    assert done.returncode == 2


def test_a_host_that_cannot_be_used_ends_the_test_at_once(tmp_path: Path) -> None:
    users = tmp_path / "locustfile.py"
    users.write_text(
        "from locust import task\n"
        "from loadtests.users.http_user import KeepAliveUser\n"
        "from loadtests.users.responses import Request\n"
        "class Visitor(KeepAliveUser):\n"
        "    host = 'https://127.0.0.1'\n"
        "    @task\n"
        "    def hello(self):\n"
        "        self.sends(Request('/hello'))\n"
    )
    line = [sys.executable, "-m", "locust", "-f", str(users), "--headless", "-u", "2", "-t", "30", "--only-summary"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert "for https, use a FastUser" in done.stderr
