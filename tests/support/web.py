"""Locust's web UI for tests, on a server of theirs."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from common.host.network import free_port
from common.project import ROOT
from tests.support.servers import KEEP, Client, serving
from tests.support.waiting import wait_until


@dataclass(frozen=True, kw_only=True)
class Web:
    """A web UI that answers."""

    port: int
    client: httpx.Client

    def users(self) -> int:
        """Return how many users there are; Locust keeps this answer for two seconds."""
        return int(self.client.get("/stats/requests").json()["user_count"])

    def start(self, **fields: object) -> str:
        """Send the form, and return what it says."""
        form = {"user_count": 2, "spawn_rate": 2, **fields}
        return str(self.client.post("/swarm", data=form).json()["message"])


def _after_5_ms(client: Client, _: int) -> bool:
    time.sleep(0.005)
    return client.send(KEEP)


@contextmanager
def web_ui(*options: str) -> Iterator[Web]:
    """Run Locust with our scenarios and a server to load, both of their own."""
    with serving(_after_5_ms) as server, running(f"--host=http://127.0.0.1:{server.address[1]}", *options) as web:
        yield web


@contextmanager
def running(*options: str) -> Iterator[Web]:
    """Run Locust with our scenarios."""
    port = free_port()
    line: Sequence[str] = [
        *(sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py"),
        *("--web-host=127.0.0.1", f"--web-port={port}", *options),
    ]
    with (
        subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as locust,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
    ):
        try:
            wait_until(lambda: answers(client), deadline_s=30)
            yield Web(port=port, client=client)
        finally:
            locust.terminate()


def answers(client: httpx.Client) -> bool:
    """Return whether the web UI is up."""
    try:
        return client.get("/login").is_success or client.get("/").is_success
    except httpx.TransportError:
        return False
