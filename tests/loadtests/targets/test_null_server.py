"""The null server answers after its delay, stalls once, and prints how long its answers took."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from common.host.network import free_port
from common.project import ROOT
from loadtests.targets.ceiling import null_server
from loadtests.targets.null_server import ANSWER
from loadtests.users import histogram
from tests.support.waiting import wait_until

REQUEST = b"GET /hello HTTP/1.1\r\nHost: here\r\n\r\n"


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """Connect to the server."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        yield client


def took_s(client: socket.socket) -> float:
    """Return how long one request took."""
    begun_s = time.perf_counter()
    client.sendall(REQUEST)
    received = b""
    while len(received) < len(ANSWER):
        received += client.recv(4096)
    assert received == ANSWER
    return time.perf_counter() - begun_s


def test_an_answer_comes_after_its_delay_and_not_before() -> None:
    with null_server([min(os.sched_getaffinity(0))], 0.020) as running:
        port = int(running.url.rpartition(":")[2])
        with connected(port) as client:
            times_s = [took_s(client) for _ in range(5)]
    assert min(times_s) >= 0.020
    assert min(times_s) < 0.060


def test_a_request_in_the_stall_waits_for_its_end() -> None:
    with null_server([min(os.sched_getaffinity(0))], 0.0, 0.1, 0.3) as running:
        port = int(running.url.rpartition(":")[2])
        with connected(port) as client:
            end_s = time.monotonic() + 5
            while (longest_s := took_s(client)) < 0.1:
                assert time.monotonic() < end_s, "it never stalled"
    assert 0.2 < longest_s < 5


def test_on_term_it_prints_how_long_every_answer_took() -> None:
    port = free_port()
    line = [sys.executable, "-m", "loadtests.targets.null_server", str(port), "0.01"]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        wait_until(lambda: _listens(port))
        with connected(port) as client:
            for _ in range(4):
                took_s(client)
        server.send_signal(signal.SIGTERM)
        printed, _ = server.communicate(timeout=10)
    counts = histogram.dense(json.loads(printed))
    assert 3 <= sum(counts) <= 4, "the last one is counted just after it is sent"
    assert (histogram.percentile_s(counts, 0.01) or 0) >= 0.0099


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
