"""A slice from what was read around it, and the sum of the slices of one server, as of a window. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from common.host.cores import CoreTimes
from common.host.meters import CpuReading, processes_ended, processes_started
from common.records.load import Setup
from common.records.window import Load, Slice
from loadtests.timing.parts import added, since
from loadtests.timing.snapshot import latency_of
from loadtests.users import histogram
from loadtests.users.tally import Tally, added_up, counted_between

MOST_OTHERS = 0.10
"""Share of the cores' time that others may take before a slice is made again; readings are exact to a tick of 4 ms."""
MOST_STEAL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Every counter of a server's load at one instant."""

    at_s: float
    tallies: tuple[Tally, ...]
    server_cpu_s: float | None
    sent: int
    reconnects: int
    generator_cpu_s: float
    run_delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The counts of a slice, and the CPU time of others during it."""

    first: Counters
    last: Counters
    open_min: int
    others_s: float | None = None
    steal_s: float = 0.0
    steal_all_s: float = 0.0
    server_steal_s: float = 0.0

    @property
    def done(self) -> Tally:
        """What was counted between the two readings."""
        return counted_between(self.first.tallies, self.last.tallies)

    @property
    def duration_s(self) -> float:
        """Its length."""
        return self.last.at_s - self.first.at_s

    @property
    def requests(self) -> int:
        """Correct answers."""
        return self.done.good

    @property
    def only_lost(self) -> bool:
        """Whether requests were lost, and none was answered."""
        return self.done.lost > 0 and not (self.done.good or self.done.wrong)

    @property
    def server_cpu_s(self) -> float | None:
        """CPU time of the server."""
        cpu_s: float | None = since(self.last, self.first, "server_cpu_s")
        return cpu_s

    @property
    def generator_cpu_s(self) -> float:
        """CPU time of the generator."""
        return self.last.generator_cpu_s - self.first.generator_cpu_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The CPU time used on the cores so far, read while no server is loaded."""

    at_s: float
    server_cpu_s: float | None
    generator_cpu_s: float
    server_cores_s: float | None
    generator_cores_s: float | None
    steal: CoreTimes
    own_steal: CoreTimes
    server_steal: CoreTimes


def slice_of(
    measured: Measured, before: Surroundings, after: Surroundings, *, number: int, start_s: float, setup: Setup
) -> tuple[Measured, Slice]:
    """Return a slice with its share of what ran on the cores meanwhile, and its record, disturbed or not."""
    span_s = after.at_s - before.at_s
    others_s, generator_others_s = _others(before, after, shared=setup.shares_cores)
    steal_s = after.steal.since(before.steal).steal_s
    cores = max(1, len(setup.server_cores)), max(1, len(setup.generator_cores))
    disturbed = (
        (others_s or 0.0) > MOST_OTHERS * span_s * cores[0]
        or (generator_others_s or 0.0) > MOST_OTHERS * span_s * cores[1]
        or steal_s > MOST_STEAL * span_s * sum(cores)
    )
    share = measured.duration_s / span_s  # of what ran on the cores from turn to turn
    counted = replace(
        measured,
        others_s=None if others_s is None else others_s * share,
        steal_s=after.own_steal.since(before.own_steal).steal_s * share,
        steal_all_s=steal_s * share,
        server_steal_s=after.server_steal.since(before.server_steal).steal_s * share,
    )
    made = Slice(
        number=number,
        start_s=before.at_s - start_s,
        duration_s=measured.duration_s,
        requests=measured.requests,
        server_cpu_s=measured.server_cpu_s,
        generator_cpu_s=measured.generator_cpu_s,
        others_s=others_s,
        generator_others_s=generator_others_s,
        steal_s=steal_s,
        disturbed=disturbed,
    )
    return counted, made


def _others(before: Surroundings, after: Surroundings, *, shared: bool) -> tuple[float | None, float | None]:
    """Return the CPU time of others on the server's and on the generator's cores; ``None`` where unknown."""
    own_s = after.generator_cpu_s - before.generator_cpu_s
    server_s = since(after, before, "server_cpu_s")
    on_servers_s, on_own_s = since(after, before, "server_cores_s"), since(after, before, "generator_cores_s")
    if server_s is None or on_servers_s is None or on_own_s is None:
        return None, None
    if shared:
        server_s = own_s = server_s + own_s
    return max(0.0, on_servers_s - server_s), max(0.0, on_own_s - own_s)


def load_of(
    measured: Sequence[Measured],
    slices: Sequence[Slice],
    *,
    users: int,
    counted_all: bool,
    readings: Sequence[CpuReading],
    loaded_s: float,
    idle_cpu_share: float | None,
    server_gone: str | None,
) -> Load:
    """Return the sums over the slices that count.

    The kernel counts a throttled stretch when it ends, often after the slice. The time throttled between the first and
    the last of ``readings`` is therefore scaled by the share of ``loaded_s``, the time for which the server was loaded,
    that counts.

    With ``counted_all``, slices were counted to their last response: none was in flight at the end, and the number in
    flight was falling before that, so Little's law does not hold.
    """
    done = added_up(one.done for one in measured)
    duration_s = sum(one.duration_s for one in measured)
    cpu_s = added([one.server_cpu_s for one in measured]) if measured else None
    others_s = added([one.others_s for one in measured])
    first, last = (readings[0], readings[-1]) if len(readings) > 1 else (None, None)
    throttled_s = since(last, first, "throttled_s")
    return Load(
        duration_s=duration_s,
        users=users,
        sent=sum(one.last.sent - one.first.sent for one in measured),
        answered=done.good + done.wrong,
        requests=done.good,
        failures=dict(done.failures),
        in_flight=users if measured and not counted_all else 0,
        connections_open_min=min((one.open_min for one in measured), default=0),
        reconnects=sum(one.last.reconnects - one.first.reconnects for one in measured),
        latency_s=latency_of(done),
        histogram=list(histogram.sparse(done.counts)),
        server_cpu_s=cpu_s,
        throttled_s=None if throttled_s is None or not loaded_s else throttled_s * duration_s / loaded_s,
        throttled_periods=since(last, first, "throttled_periods"),
        generator_cpu_s=sum(one.generator_cpu_s for one in measured),
        generator_run_delay_s=sum(one.last.run_delay_s - one.first.run_delay_s for one in measured),
        steal_s=sum(one.steal_s for one in measured),
        steal_all_s=sum(one.steal_all_s for one in measured),
        server_steal_s=sum(one.server_steal_s for one in measured),
        server_cores_busy_s=None if cpu_s is None or others_s is None else cpu_s + others_s,
        littles_law_ratio=None if counted_all else done.total_s / duration_s / users if users and duration_s else 0.0,
        server_gone=server_gone,
        server_processes_ended=processes_ended(first, last),
        server_processes_begun=processes_started(first, last),
        slices=list(slices),
        idle_cpu_share=idle_cpu_share,
    )
