"""Loads several servers in turn, each alone, in short slices: ``python -m loadtests.timing.slices ORDER RESULT``.

Every server keeps its connections, which wait while another server is loaded. Each burst of load falls into one of
several rhythms between server and generator when it begins and stays in it, so many short bursts say more than a long
one; and what is loaded within a second of each other shares the state of the machine.
"""

import dataclasses
import faulthandler
import gc
import os
import random
import sys
import time
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

import msgspec
from locust.env import Environment
from msgspec.structs import replace

from common.host.meters import GONE, CpuReading, metered_pids, process_cpu_s, read_cpu
from common.host.network import enter_network_namespace
from common.records.load import Setup
from common.records.run import Slicing
from common.records.window import Load, Slice, Warmup
from common.words import counted
from loadtests.analysis.slice_verdicts import costs, mostly_disturbed, slow_passes
from loadtests.scenarios.locust_users import user_class
from loadtests.scenarios.workloads import scenario_for
from loadtests.timing.loop_reading import read_loop
from loadtests.timing.reading import CoreReading, Reading, read_cores
from loadtests.timing.slice_order import DRAIN_S, OPENING_S, SlicedServer, SliceOrder, slicing_of
from loadtests.timing.slice_sums import load_of, slice_of
from loadtests.timing.warmup import warm_up
from loadtests.timing.window import NotOpenError, wait, wait_open, wait_until
from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.loops import loop_of


class Turn:
    """A server, its connections, and what was measured of it."""

    def __init__(self, server: SlicedServer, setup: Setup, slicing: Slicing) -> None:
        self.server = server
        self.slicing = slicing
        self.load_spec = setup.load
        self.users = setup.load.users
        self.gone: str | None = None
        self.warmup: Warmup | None = None
        self.slices: list[Slice] = []
        self.slow_passes: frozenset[int] = frozenset()
        self.loads: list[Load] = []
        """Of each slice."""
        self.idle_cpu_s = self.idle_s = self.loaded_s = 0.0
        self.last: Reading | None = None
        self.readings: list[CpuReading] = []
        self.processes: tuple[int, ...] = ()
        """The server's process ids, as of the last full reading of its CPU time."""
        self.database_processes: tuple[int, ...] = ()
        environment = Environment(
            user_classes=[user_class(scenario_for(setup.load))],
            host=server.url,
            parsed_options=Namespace(delay_ms=setup.load.delay_ms, per_request_events=False, headless=True),
        )
        self.runner = environment.create_local_runner()
        self.loop = loop_of(environment)

    @property
    def counts_all(self) -> bool:
        """Whether slices are counted from the first request to the last response."""
        return not self.slicing.skipped_s

    @property
    def undisturbed(self) -> int:
        """Slices that count."""
        return sum(not made.disturbed for made in self.judged)

    @property
    def judged(self) -> list[Slice]:
        """The slices, with those of a slow pass marked as disturbed too."""
        return [replace(made, disturbed=made.disturbed or made.number in self.slow_passes) for made in self.slices]

    @property
    def wanted(self) -> bool:
        """Whether another slice is needed, and allowed."""
        left = self.undisturbed < self.slicing.passes and len(self.slices) < self.slicing.most_passes
        return self.gone is None and left

    def open(self) -> None:
        """Open all connections, load the server until it is warm to see how fast it is, and read its processes."""
        try:
            self.enter()
            self.runner.start(self.users, spawn_rate=self.users)
            wait_open(self.loop, lambda: self.runner.user_count, OPENING_S)
            self.read()
            spec = self.load_spec
            self.warmup, responses_per_s = warm_up(
                self._warming,
                self.load_until,
                least_s=spec.warmup_s,
                most_s=spec.most_warmup_s,
                may_compile=self.server.may_compile,
            )
            self.hold()
            self.slicing = slicing_of(self.slicing, users=self.users, responses_per_s=responses_per_s)
            self.readings.clear()  # throttling counts from here
            self.read()
        except (NotOpenError, *GONE) as error:
            self.lose(str(error))

    def _warming(self) -> Reading:
        """Return a reading, without the server's CPU time if one of its processes has ended meanwhile."""
        try:
            return self.reading(self.loop)
        except GONE:
            self.read()  # which fails if all have ended
            return read_loop(self.loop, users=self.users)

    def lose(self, reason: str) -> None:
        """Give the server up, and stop its users, which would load whichever server has its turn."""
        self.gone = reason
        self.runner.stop()

    def enter(self) -> None:
        """Prepare to load this server: connections opened from now on belong to its network namespace."""
        gc.freeze()  # each loop collects garbage once a second, and would go through what earlier slices hold
        if self.server.network_namespace is not None:
            enter_network_namespace(Path(self.server.network_namespace))

    def load_until(self, at_s: float) -> None:
        """Load the server until this time, punctually.

        The kernel brings the CPU time of what runs up to date only at its ticks, every 4 ms or more often. Two readings
        that are a whole number of ticks apart are equally old, so that their difference is exact.
        """
        self.loop.yields_at_s = at_s
        wait(at_s - time.perf_counter())

    def hold(self) -> None:
        """Stop the load and wait for the responses that are out; ``NotOpenError`` where they do not come."""
        self.loop.hold()
        if not wait_until(lambda: not self.loop.in_flight, DRAIN_S, look_every_s=0.0005):
            raise NotOpenError(f"{counted(self.loop.in_flight, 'request')} not answered within {DRAIN_S:g} s")

    def read(self) -> None:
        """Read the meter in full: throttling, and which processes the server has."""
        if self.server.cpu_meter is not None:
            self.readings.append(read_cpu(self.server.cpu_meter))
            root = self.server.cpu_meter.partition(":")[2]
            self.processes = (*([int(root)] if root.isdecimal() else []), *self.readings[-1].processes)
        if self.server.database_meter is not None:
            self.database_processes = tuple(metered_pids(self.server.database_meter))

    def cpu_s(self) -> float | None:
        """Return the server's CPU time quickly, since the load goes on; raise one of ``GONE`` if a process ended."""
        meter = self.server.cpu_meter
        if meter is None:
            return None
        if meter.startswith("tree:"):
            return sum(process_cpu_s(pid) for pid in self.processes)
        return read_cpu(meter).cpu_s

    def database_cpu_s(self) -> float | None:
        """Return the CPU time of the server's database; raise one of ``GONE`` if one of its processes ended."""
        if self.server.database_meter is None:
            return None
        return sum(process_cpu_s(pid) for pid in self.database_processes)

    def load(self) -> tuple[Reading, Reading]:
        """Load the server for a slice, wait for the responses that are out, and return the two ends of what counts."""
        if self.counts_all:
            return self._load_counting_all()
        self.loop.release()
        released_s = time.perf_counter()
        self.load_until(released_s + self.slicing.skipped_s)
        self.loop.forget_extremes()
        first = self.reading(self.loop)
        self.load_until(released_s + self.slicing.slice_s)
        last = self.reading(self.loop)
        self.hold()
        return first, last

    def _load_counting_all(self) -> tuple[Reading, Reading]:
        self.loop.forget_extremes()
        first = self.reading(self.loop)
        self.loop.release()
        self.load_until(time.perf_counter() + self.slicing.slice_s)
        self.hold()
        return first, self.reading(self.loop)

    def reading(self, loop: ClosedLoop | None, cores: CoreReading | None = None) -> Reading:
        """Return a reading with as much of the server's meter as can be read quickly."""
        cpu_s = self.cpu_s()
        server = None if cpu_s is None else CpuReading(cpu_s=cpu_s)
        reading = read_loop(loop, users=self.users, server=server, cores=cores)
        return dataclasses.replace(reading, database_cpu_s=self.database_cpu_s())

    def surroundings(self, setup: Setup) -> Reading:
        """Return a reading of the cores, for while no server is loaded."""
        return self.reading(None, read_cores(setup.generator_cores, setup.server_cores, exact=True))


class _Round:
    """All servers of a round, loaded in turn."""

    def __init__(self, order: SliceOrder) -> None:
        self._order = order
        self._setup = order.setup
        self._turns = [Turn(server, order.setup, order.slicing) for server in order.servers]
        self._start_s = 0.0

    def run(self) -> list[Load]:
        """Load the servers in turn, pass by pass, until each has enough slices that count or has had the most."""
        for turn in self._turns:
            turn.open()
        self._start_s = time.perf_counter()
        for number in range(1, self._order.slicing.most_passes + 1):
            todo = [turn for turn in self._turns if turn.wanted]
            order = random.Random(f"{self._order.seed}/{number}").sample(todo, len(todo))  # noqa: S311 -- not for secrets
            for turn in order:
                self._load(turn, number)
            # A slow server answers too few requests in a slice for their cost to say much.
            slow = slow_passes([costs(turn.slices) for turn in self._turns if not turn.counts_all])
            for turn in self._turns:
                turn.slow_passes = slow
        return [self._record(turn) for turn in self._turns]

    def _load(self, turn: Turn, number: int) -> None:
        """Make one slice; a server that is lost meanwhile gets no more."""
        try:
            turn.enter()
            before = turn.surroundings(self._setup)
            if turn.last is not None and turn.last.server is not None and before.server is not None:
                turn.idle_cpu_s += before.server.cpu_s - turn.last.server.cpu_s
                turn.idle_s += before.at_s - turn.last.at_s
            first, last = turn.load()
            turn.last = after = turn.surroundings(self._setup)
        except GONE:  # a process of the server's has ended: perhaps one of its workers
            turn.last = None
            self._recover(turn)
            return
        except NotOpenError as error:
            turn.lose(str(error))
            return
        if turn.loop.error is not None:
            raise turn.loop.error
        load = last - first
        if not turn.loop.open_now and load.failures and not load.answered:
            turn.lose("no connection was open when the slice ended")
            return
        turn.loaded_s += after.at_s - before.at_s
        counted, made = slice_of(load, before, after, number=number, start_s=self._start_s, setup=self._setup)
        turn.loads.append(counted)
        turn.slices.append(made)

    def _recover(self, turn: Turn) -> None:
        try:
            turn.hold()
            turn.read()
        except (NotOpenError, *GONE) as error:
            turn.lose(str(error))

    def _record(self, turn: Turn) -> Load:
        if turn.gone is None:
            with suppress(*GONE):
                turn.read()
        slices = turn.judged
        counted = turn.loads
        if not mostly_disturbed(slices):
            counted = [load for load, made in zip(turn.loads, slices, strict=True) if not made.disturbed]
        return load_of(
            counted,
            slices,
            users=turn.users,
            counted_all=turn.counts_all,
            readings=turn.readings,
            loaded_s=turn.loaded_s,
            warmup=turn.warmup,
            idle_cpu_share=turn.idle_cpu_s / turn.idle_s if turn.idle_s else None,
            server_gone=turn.gone,
        )


def main(order_file: str, result_file: str) -> None:
    """Carry out the order in a file and write the loads to another."""
    order = msgspec.json.decode(Path(order_file).read_bytes(), type=SliceOrder)
    faulthandler.dump_traceback_later(order.longest_s(), exit=True)
    Path(result_file).write_bytes(msgspec.json.encode(_Round(order).run()))
    sys.stdout.flush()
    os._exit(0)  # users and their loops wait for turns that do not come


if __name__ == "__main__":
    main(*sys.argv[1:])
