"""The common timed window of a Locust master and its workers, coordinated by Locust's own messages.

The master waits until all workers' connections are open, tells the workers to begin, and ``window_s`` later to end.
Each reports what it did in between, by its own clock, and the master adds the reports up. A worker may notice a message
up to one slice of its loop (10 ms) late, at either end. Windows therefore have their own recorded lengths, and the
server's CPU time is read just before each message, so that the two delays cancel.

A worker that does not reply at the end is recorded as lost. One that joins during the window counts from that moment.
"""

import faulthandler
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Any

import gevent
import msgspec
from locust.runners import MasterRunner, WorkerRunner
from msgspec.structs import replace

from common.host.folders import write_file
from common.host.meters import GONE
from common.records.window import Load
from loadtests.timing.health import Health
from loadtests.timing.loop_reading import read_loop
from loadtests.timing.parts import Part, merged
from loadtests.timing.reading import Reading, read_cores, read_server, take_reading
from loadtests.timing.window import GRACE_S, NotOpenError, WindowPlan, wait, wait_open, wait_until
from loadtests.users.closed_loop import ClosedLoop

OPEN, BEGIN, END = "window-open", "window-begin", "window-end"
"""The messages of a master to its workers; each worker replies with a message of the same name."""
REPLY_S = 3.0
"""The time without a reply after which a worker counts as lost."""
LOOK_EVERY_S = 0.005


class Follower:
    """The worker's side, which replies to the master's messages."""

    def __init__(self, runner: WorkerRunner, loop: Callable[[], ClosedLoop], cores: Sequence[int]) -> None:
        self._runner, self._loop, self._cores = runner, loop, cores
        self._before = take_reading(cores=read_cores(cores, ()))  # the loop is created with the first user
        self._health: Health | None = None
        runner.register_message(OPEN, self._open, concurrent=True)
        runner.register_message(BEGIN, self._begin)
        runner.register_message(END, self._end)

    def _open(self, msg: Any, **_: object) -> None:  # noqa: ANN401 -- Locust's message, here and below
        """Reply once all connections are open, or with what is missing after the deadline."""
        missing = ""
        if self._runner.user_count:
            try:
                wait_open(self._loop(), lambda: self._runner.user_count, msg.data["opening_s"])
            except NotOpenError as error:
                missing = str(error)
        self._runner.send_message(OPEN, {"missing": missing})

    def _begin(self, **_: object) -> None:
        loop = self._loop()
        loop.forget_extremes()
        self._health = Health(loop)
        self._before = read_loop(loop, users=0, cores=read_cores(self._cores, ()))
        self._runner.send_message(BEGIN, {})

    def _end(self, **_: object) -> None:
        loop = self._loop()
        users = self._runner.user_count
        after = read_loop(loop, users=users, cores=read_cores(self._cores, ()))
        seconds = self._health.seconds() if self._health else []
        if loop.error is not None:
            self._runner.send_message(END, {"error": repr(loop.error)})
            return
        gone = None if loop.ready or not users else "no connection was open when the window ended"
        load = replace(after - self._before, seconds=seconds, server_gone=gone)
        part = Part(worker=self._runner.client_id, load=load, joined_late=self._health is None)
        self._runner.send_message(END, {"part": msgspec.to_builtins(part)})


class Leader:
    """The master's side, which makes all workers measure the same window."""

    def __init__(self, runner: MasterRunner, rate_rps: float) -> None:
        """Take the rate of an open loop in requests per second; 0 for a closed loop."""
        self._runner, self._rate_rps = runner, rate_rps
        self._replies: dict[str, dict[str, Any]] = defaultdict(dict)
        self._arrived_s: dict[tuple[str, str], float] = {}
        for kind in (OPEN, BEGIN, END):
            runner.register_message(kind, self._receive)

    def run(self, plan: WindowPlan) -> Load:
        """Measure the window that ``plan`` describes, once all users are spawned, and write its record."""
        while not self._runner.spawning_completed:
            gevent.sleep(LOOK_EVERY_S)
        longest_s = plan.opening_s + plan.warmup_s + plan.window_s + 3 * REPLY_S
        faulthandler.dump_traceback_later(longest_s + GRACE_S, exit=True)
        load = self._measure(plan)
        write_file(plan.file, msgspec.json.encode(load))
        return load

    def _measure(self, plan: WindowPlan) -> Load:
        expected = set(self._runner.clients)
        lost = self._wait_opened(expected, plan)
        if lost is None:
            wait(plan.warmup_s)
        before, lost = self._read(plan, lost)
        expected |= set(self._runner.clients)
        sent_s = self._send(BEGIN)
        if lost is None:
            wait(plan.window_s)
        after, lost = self._read(plan, lost)
        parts = self._parts()
        if not parts:
            raise RuntimeError(f"none of {len(expected)} workers reported after the window")
        load = merged(
            parts,
            after - before,
            rate_rps=self._rate_rps,
            workers_lost=len(expected - {part.worker for part in parts}),
            skew_s=max((self._arrived_s.get((BEGIN, part.worker), sent_s) - sent_s for part in parts), default=0.0),
        )
        return load if lost is None else replace(load, server_gone=lost)

    def _wait_opened(self, workers: Collection[str], plan: WindowPlan) -> str | None:
        """Return which of the workers' connections are missing; ``None`` once all are open."""
        replies = self._ask(OPEN, workers, plan.opening_s + REPLY_S, {"opening_s": plan.opening_s})
        return "; ".join(reply["missing"] for reply in replies.values() if reply["missing"]) or None

    def _parts(self) -> list[Part]:
        """Return every worker's part; ``RuntimeError`` if the loop of a worker failed."""
        replies = self._ask(END, set(self._runner.clients), REPLY_S)
        for worker, reply in replies.items():
            if "error" in reply:
                raise RuntimeError(f"the load loop of worker {worker} failed: {reply['error']}")
        return [msgspec.convert(reply["part"], Part) for reply in replies.values()]

    def _read(self, plan: WindowPlan, lost: str | None) -> tuple[Reading, str | None]:
        """Return a reading of the server, its cores and this process, and how the server was lost, if it was."""
        cores, server = read_cores((), plan.server_cores), None
        try:
            server = read_server(plan.meter) if lost is None else None
        except GONE as error:
            lost = str(error)
        return take_reading(server=server, cores=cores), lost

    def _ask(
        self, kind: str, workers: Collection[str], deadline_s: float, data: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the replies that arrive in time."""
        self._send(kind, data)
        wait_until(lambda: self._replies[kind].keys() >= set(workers), deadline_s, look_every_s=LOOK_EVERY_S)
        return self._replies[kind]

    def _send(self, kind: str, data: dict[str, Any] | None = None) -> float:
        """Send a message to every worker, and return when it was sent."""
        sent_s = time.perf_counter()
        self._runner.send_message(kind, data)
        return sent_s

    def _receive(self, msg: Any, **_: object) -> None:  # noqa: ANN401 -- Locust's message
        self._replies[msg.type][msg.node_id] = msg.data
        self._arrived_s[msg.type, msg.node_id] = time.perf_counter()
