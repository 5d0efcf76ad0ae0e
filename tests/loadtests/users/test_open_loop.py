"""The open loop sends on schedule, and its response times hide no stall."""

import gc
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import gevent
import pytest

from common.project import ROOT
from loadtests.targets.ceiling import null_server
from loadtests.users import histogram, open_loop
from loadtests.users.arrivals import Arrivals, Schedule
from loadtests.users.connection import Connection
from loadtests.users.open_loop import OpenLoop
from loadtests.users.responses import Request, json_string
from tests.support.servers import CLOSE, KEEP, Client, serving

HELLO = Request("/hello", expect=json_string("hello world"))
DEADLINE_S = 20.0
DELAY_S = 0.010


class Load:
    """An open loop over some connections."""

    def __init__(self, port: int, *, connections: int, rate_rps: float, arrivals: Arrivals = Arrivals.CONSTANT) -> None:
        self.loop = OpenLoop(flush=lambda: None)
        self.loop.schedule = Schedule(arrivals, 5)
        target = self.loop.target(HELLO, "127.0.0.1")
        address = (socket.AF_INET, ("127.0.0.1", port))
        self.tally = target.tally
        self.connections = [Connection(address, [target]) for _ in range(connections)]
        for connection in self.connections:
            self.loop.add(connection)
        self.until(lambda: self.loop.ready == connections)
        self.opened, self.opening = self.tally.copy(), self.loop.sent
        self.from_send = self.loop.from_send.copy()
        self.loop.pace(rate_rps / connections)

    def until(self, enough: Callable[[], bool]) -> None:
        """Drive until the condition holds."""
        deadline_s = time.perf_counter() + DEADLINE_S
        while not enough():
            assert time.perf_counter() < deadline_s, f"not reached: {self.tally.failures}"
            gevent.sleep(0.002)

    def finish(self) -> None:
        """Stop the schedule, let requests in flight end, and check that each arrival was sent or counted."""
        self.loop.pace(0)
        self.until(lambda: not self.loop.waiting and not self.loop.in_flight)
        assert self.loop.planned == self.loop.sent - self.opening + self.loop.given_up
        for connection in self.connections:
            self.loop.finish(connection)
        assert self.loop.open_now == 0


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    deadline_s = time.perf_counter() + DEADLINE_S
    while not gc.isenabled():  # a loop without connections ends at its next turn
        assert time.perf_counter() < deadline_s
        gevent.sleep(0.01)


@contextmanager
def known_server(*times_s: float) -> Iterator[int]:
    """Start a server that answers after a known time and may stall once, and return its port."""
    with null_server([min(os.sched_getaffinity(0))], *times_s) as running:
        yield int(running.url.rpartition(":")[2])


WAKING = """
import os, pathlib
from loadtests.users.open_loop import _wake_punctually
before = os.nice(0)
os.nice(3)
_wake_punctually()
proc = pathlib.Path("/proc/self")
shown = (proc / "sched").read_text().splitlines() if (proc / "sched").exists() else []
print(os.nice(0) - before, (proc / "timerslack_ns").read_text(), *(line for line in shown if "slice" in line))
"""


def test_the_kernel_is_asked_for_exact_wake_ups_and_the_niceness_stays() -> None:
    seen = subprocess.run([sys.executable, "-c", WAKING], cwd=ROOT, check=True, capture_output=True, text=True)
    niceness, slack_ns, *rest = seen.stdout.split()
    assert (niceness, slack_ns) == ("3", "1")
    if rest:  # since Linux 6.12, and where the kernel shows it
        assert rest[-1] == f"{open_loop._TIME_SLICE_NS}"


@pytest.mark.parametrize("arrivals", Arrivals)
def test_every_arrival_is_sent_and_answered(arrivals: Arrivals) -> None:
    with known_server() as port:
        load = Load(port, connections=16, rate_rps=500, arrivals=arrivals)
        load.until(lambda: load.loop.planned >= 500)
        load.finish()
        assert load.tally.failures == {}
        assert load.tally.good == load.loop.planned + 16
        assert sum(load.loop.from_send) == load.tally.good
        assert sum(load.loop.send_lag) + load.loop.queued == load.loop.planned


def test_every_arrival_is_sent_to_a_server_that_closes_each_connection() -> None:
    def closing(client: Client, _: int) -> bool:
        client.send(CLOSE)
        return False

    with serving(closing) as server:
        load = Load(server.address[1], connections=4, rate_rps=200)
        load.until(lambda: load.loop.planned >= 200)
        load.finish()
        assert load.tally.failures == {}
        assert server.requests == server.accepted == load.loop.planned + 4


@pytest.mark.slow
def test_the_rate_does_not_depend_on_response_times() -> None:
    with known_server(0.05) as port:
        load = Load(port, connections=64, rate_rps=400)
        started_s, before = time.perf_counter(), load.loop.planned
        load.until(lambda: load.loop.planned >= before + 400)
        assert time.perf_counter() - started_s == pytest.approx(1.0, rel=0.1)
        load.finish()


@pytest.mark.slow
def test_a_stall_costs_what_is_calculated() -> None:
    """Arrivals in a stall wait for its end, so response times fall evenly from its length to zero.

    Those of the 10 ms before it wait for its end as well, and those in it are only read then: twice the delay.
    """
    rate_rps, stall_s = 500, 0.5
    with known_server(DELAY_S, 1.5, stall_s) as port:
        load = Load(port, connections=400, rate_rps=rate_rps)
        load.until(lambda: load.loop.planned >= 4 * rate_rps)
        load.finish()
        done = load.tally.since(load.opened)
        p99_s = histogram.percentile_s(done.counts, 0.99)
        assert p99_s == pytest.approx(stall_s + 2 * DELAY_S - 0.01 * done.good / rate_rps, rel=0.05)
        assert histogram.percentile_s(done.counts, 1.0) == pytest.approx(stall_s + DELAY_S, rel=0.05)
        assert _above(done.counts, 0.25) == pytest.approx((stall_s + 2 * DELAY_S - 0.25) * rate_rps, rel=0.1)
        assert done.failures == {}


@pytest.mark.slow
def test_with_few_connections_only_times_from_the_intended_send_show_a_stall() -> None:
    rate_rps, stall_s = 500, 0.5
    with known_server(DELAY_S, 1.0, stall_s) as port:
        load = Load(port, connections=16, rate_rps=rate_rps)
        load.until(lambda: load.loop.planned >= 2 * rate_rps)
        load.finish()
        assert _above(load.tally.since(load.opened).counts, 0.25) > 100
        assert 0 < _above(histogram.difference(load.loop.from_send, load.from_send), 0.25) <= 16
        assert load.loop.queued > 100


def _above(counts: Sequence[int], limit_s: float) -> int:
    return sum(counts[histogram.index(int(limit_s * histogram.TICKS_PER_S)) :])


def test_arrivals_that_wait_too_long_are_given_up_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "GIVE_UP_S", 0.1)
    with known_server(0.05) as port:
        load = Load(port, connections=1, rate_rps=200)
        load.until(lambda: load.loop.planned >= 200)
        load.until(lambda: load.loop.given_up > 100)
        assert load.loop.waiting <= 200 * 0.2
        load.finish()


def test_the_rate_follows_the_number_of_connections() -> None:
    with known_server() as port:
        load = Load(port, connections=4, rate_rps=400)
        assert load.loop.schedule.rate_rps == pytest.approx(400)
        load.loop.remove(load.connections[0])
        assert load.loop.schedule.rate_rps == pytest.approx(300)
        load.connections = load.connections[1:]
        load.finish()


def test_stopping_counts_waiting_arrivals_as_never_sent() -> None:
    with serving(lambda client, number: number > 1 or client.send(KEEP)) as server:
        load = Load(server.address[1], connections=1, rate_rps=100)
        load.until(lambda: load.loop.waiting >= 5)
        waiting = load.loop.waiting
        load.loop.remove(load.connections[0])
        assert (load.loop.given_up, load.loop.waiting, load.loop.abandoned) == (waiting, 0, 1)
