"""A reading of every counter at one instant. The difference of two is the record of the load between them."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common.host.cores import CoreTimes, core_busy_s, core_times
from common.host.meters import CpuReading, read_cpu
from common.records import window as records
from common.records.window import Load
from loadtests.timing.parts import latency, latency_of
from loadtests.users import histogram
from loadtests.users.tally import Tally, counted_between

NS_PER_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalCounters:
    """The counters of an open loop's arrivals."""

    rate_rps: float
    planned: int
    queued: int
    given_up: int
    waiting: int
    from_send: list[int]
    send_lag: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreReading:
    """The times of the generator's cores, of all cores and of the server's, ``None`` if those are unknown."""

    own: CoreTimes
    everywhere: CoreTimes
    server: CoreTimes | None
    own_busy_s: float | None = None
    """The exact time for which the generator's cores were busy; ``None`` if it was not read, or cannot be."""
    server_busy_s: float | None = None
    """The same of the server's cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The counters of server, generator and cores at one instant."""

    at_s: float
    users: int = 0
    tallies: tuple[Tally, ...] = ()
    sent: int = 0
    in_flight: int = 0
    reconnects: int = 0
    open_now: int = 0
    open_min: int = 0
    arrivals: ArrivalCounters | None = None
    generator_cpu_s: float
    run_delay_s: float = 0.0
    server: CpuReading | None = None
    database_cpu_s: float | None = None
    """CPU time of the server's database; ``None`` without one, or if it was not read."""
    cores: CoreReading | None = None

    @property
    def answered(self) -> int:
        """The number of complete responses, correct or not."""
        return sum(tally.good + tally.wrong for tally in self.tallies)

    def with_server(self, server: CpuReading | None) -> "Reading":
        """Return it with a reading of the server's meter that was made right after it."""
        return replace(self, server=server)

    def __sub__(self, earlier: "Reading") -> Load:
        """Return the record of what happened since an earlier reading."""
        done = counted_between(earlier.tallies, self.tallies)
        duration_s = self.at_s - earlier.at_s
        return Load(
            duration_s=duration_s,
            users=self.users,
            sent=self.sent - earlier.sent,
            answered=done.good + done.wrong,
            requests=done.good,
            failures=dict(done.failures),
            in_flight=self.in_flight,
            connections_open_min=self.open_min,
            reconnects=self.reconnects - earlier.reconnects,
            latency_s=latency_of(done),
            histogram=histogram.sparse(done.counts),
            **of_server(earlier.server, self.server),
            database_cpu_s=increase(self.database_cpu_s, earlier.database_cpu_s),
            generator_cpu_s=self.generator_cpu_s - earlier.generator_cpu_s,
            generator_run_delay_s=self.run_delay_s - earlier.run_delay_s,
            **_of_cores(earlier.cores, self.cores),
            littles_law_ratio=done.total_s / duration_s / self.users if self.users and duration_s else 0.0,
            server_gone=None,
            open_loop=_open_loop(earlier.arrivals, self.arrivals),
        )


def take_reading(*, server: CpuReading | None = None, cores: CoreReading | None = None) -> Reading:
    """Return the counters of this process as of now, with what was read of the server and the cores.

    This takes some tens of microseconds, in which nothing else runs in this thread.
    """
    return Reading(
        at_s=time.perf_counter(),
        generator_cpu_s=time.process_time(),
        run_delay_s=int(Path("/proc/self/schedstat").read_text().split()[1]) / NS_PER_S,
        server=server,
        cores=cores,
    )


def read_server(meter: str | None) -> CpuReading | None:
    """Return a reading of the server's meter, ``None`` without one; raise one of ``GONE`` if the server has exited."""
    return read_cpu(meter) if meter else None


def read_cores(own: Sequence[int], server: Sequence[int], *, exact: bool = False) -> CoreReading:
    """Return the times of the generator's cores, by default those it may use, and of the server's."""
    busy_s = core_busy_s({*own, *server}) if exact else None
    own_times, everywhere, server_times = core_times(own or tuple(os.sched_getaffinity(0)), None, server)
    return CoreReading(
        own=own_times,
        everywhere=everywhere,
        server=server_times if server else None,
        own_busy_s=None if busy_s is None else sum(busy_s[core] for core in own),
        server_busy_s=None if busy_s is None else sum(busy_s[core] for core in server),
    )


def of_server(first: CpuReading | None, last: CpuReading | None) -> dict[str, Any]:
    """Return the fields of a record that two readings of the server's meter give; ``None`` if either is missing."""
    if first is None or last is None:
        return {"server_cpu_s": None, "throttled_s": None, "throttled_periods": None}
    return {
        "server_cpu_s": last.cpu_s - first.cpu_s,
        "throttled_s": increase(last.throttled_s, first.throttled_s),
        "throttled_periods": increase(last.throttled_periods, first.throttled_periods),
        "server_processes_ended": len(first.processes - last.processes),
        "server_processes_begun": len(last.processes - first.processes),
    }


def increase(last: float | None, first: float | None) -> Any:  # noqa: ANN401 -- float, or int
    """Return the increase of a counter; ``None`` if either value is unknown."""
    return None if last is None or first is None else last - first


def _of_cores(first: CoreReading | None, last: CoreReading | None) -> dict[str, Any]:
    if first is None or last is None:
        return {"steal_s": 0.0, "steal_all_s": 0.0}
    used = None if first.server is None or last.server is None else last.server.since(first.server)
    return {
        "steal_s": last.own.since(first.own).steal_s,
        "steal_all_s": last.everywhere.since(first.everywhere).steal_s,
        "server_steal_s": None if used is None else used.steal_s,
        "server_cores_busy_s": None if used is None else used.busy_s,
    }


def _open_loop(first: ArrivalCounters | None, last: ArrivalCounters | None) -> records.OpenLoop | None:
    if first is None or last is None:
        return None
    from_send = histogram.difference(last.from_send, first.from_send)
    send_lag = histogram.difference(last.send_lag, first.send_lag)
    return records.OpenLoop(
        rate_rps=first.rate_rps,
        planned=last.planned - first.planned,
        queued=last.queued - first.queued,
        waiting=last.waiting,
        never_sent=last.given_up - first.given_up,
        from_send_s=latency(from_send),
        from_send_histogram=histogram.sparse(from_send),
        send_lag_s=latency(send_lag),
        send_lag_histogram=histogram.sparse(send_lag),
    )
