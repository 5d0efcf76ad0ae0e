"""A slice from what was read around it, and the sum of the slices of one server, as of a window. Pure."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from common.host.meters import CpuReading
from common.records.load import Setup
from common.records.window import Load, Slice, Warmup
from loadtests.analysis.thresholds import MOST_OTHERS, MOST_STEAL
from loadtests.timing.parts import COUNTED, Rule, added, total
from loadtests.timing.reading import Reading, increase, of_server


def slice_of(
    load: Load, before: Reading, after: Reading, *, number: int, start_s: float, setup: Setup
) -> tuple[Load, Slice]:
    """Return the load of a slice with its share of what ran on the cores meanwhile, and its record, disturbed or not.

    ``before`` and ``after`` were read while no server was loaded.
    """
    around = after - before
    others_s, generator_others_s = _others(before, after, around, shared=setup.shares_cores)
    cores = max(1, len(setup.server_cores)), max(1, len(setup.generator_cores))
    disturbed = (
        (others_s or 0.0) > MOST_OTHERS * around.duration_s * cores[0]
        or (generator_others_s or 0.0) > MOST_OTHERS * around.duration_s * cores[1]
        or around.steal_all_s > MOST_STEAL * around.duration_s * sum(cores)
    )
    share = load.duration_s / around.duration_s  # of what ran on the cores from turn to turn
    cpu_s = load.server_cpu_s
    counted = replace(
        load,
        server_cores_busy_s=None if cpu_s is None or others_s is None else cpu_s + others_s * share,
        steal_s=around.steal_s * share,
        steal_all_s=around.steal_all_s * share,
        server_steal_s=None if around.server_steal_s is None else around.server_steal_s * share,
    )
    made = Slice(
        number=number,
        start_s=before.at_s - start_s,
        duration_s=load.duration_s,
        requests=load.requests,
        server_cpu_s=cpu_s,
        generator_cpu_s=load.generator_cpu_s,
        database_cpu_s=load.database_cpu_s,
        others_s=others_s,
        generator_others_s=generator_others_s,
        steal_s=around.steal_all_s,
        disturbed=disturbed,
    )
    return counted, made


def _others(before: Reading, after: Reading, around: Load, *, shared: bool) -> tuple[float | None, float | None]:
    """Return the CPU time of others on the server's and on the generator's cores; ``None`` where unknown."""
    assert before.cores is not None
    assert after.cores is not None
    server_s, own_s = around.server_cpu_s, around.generator_cpu_s + (around.database_cpu_s or 0.0)
    on_servers_s = increase(after.cores.server_busy_s, before.cores.server_busy_s)
    on_own_s = increase(after.cores.own_busy_s, before.cores.own_busy_s)
    if server_s is None or on_servers_s is None or on_own_s is None:
        return None, None
    if shared:
        server_s = own_s = server_s + own_s
    return max(0.0, on_servers_s - server_s), max(0.0, on_own_s - own_s)


def _known(values: Sequence[float | None]) -> float | None:
    """Return the sum; ``None`` if there is nothing, or if any value is unknown."""
    known: float | None = added(values) if values else None
    return known


OF_SLICES: Mapping[str, Rule] = {
    **COUNTED,
    "connections_open_min": lambda values: min(values, default=0),
    "server_cpu_s": _known,
    "server_cores_busy_s": _known,
    "server_steal_s": _known,
    "generator_cpu_s": sum,
    "database_cpu_s": _known,
    "steal_s": sum,
    "steal_all_s": sum,
}
"""The functions that add up the fields of slices' loads which depend on no other field."""


def load_of(
    loads: Sequence[Load],
    slices: Sequence[Slice],
    *,
    users: int,
    counted_all: bool,
    readings: Sequence[CpuReading],
    loaded_s: float,
    warmup: Warmup | None,
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
    duration_s = sum(load.duration_s for load in loads)
    meter = of_server(readings[0], readings[-1]) if len(readings) > 1 else of_server(None, None)
    throttled_s = meter["throttled_s"]
    meter["throttled_s"] = None if throttled_s is None or not loaded_s else throttled_s * duration_s / loaded_s
    return total(
        loads,
        OF_SLICES,
        duration_s=duration_s,
        users=users,
        in_flight=users if loads and not counted_all else 0,
        **meter,
        server_gone=server_gone,
        slices=list(slices),
        warmup=warmup,
        idle_cpu_share=idle_cpu_share,
        **({"littles_law_ratio": None} if counted_all else {}),
    )
