"""Shares of the windows' time that something used or lost, from 0 to 1; ``None`` if it was not recorded. Pure."""

from collections.abc import Callable, Sequence

from common.records.window import Load


def share(loads: Sequence[Load], seconds: Callable[[Load], float | None], cores: float = 1) -> float | None:
    """Return ``seconds`` over the time of ``cores``, in the windows that recorded it."""
    known = [(used_s, load.duration_s) for load in loads if (used_s := seconds(load)) is not None]
    time_s = sum(duration_s for _, duration_s in known) * cores
    return sum(used_s for used_s, _ in known) / time_s if time_s else None


def server(loads: Sequence[Load], vcpu: float) -> float | None:
    """Return the share of its vCPUs that the server used."""
    return share(loads, lambda load: load.server_cpu_s, vcpu)


def generator(loads: Sequence[Load], cores: int) -> float | None:
    """Return the share of its cores that the generator used."""
    return share(loads, lambda load: load.generator_cpu_s, cores)


def throttled(loads: Sequence[Load]) -> float | None:
    """Return the share of the time in which its quota throttled the server; ``None`` without a quota."""
    return share(loads, lambda load: load.throttled_s)


def stolen(loads: Sequence[Load], server_cores: int) -> float | None:
    """Return the share of the server's cores that the hypervisor took (steal)."""
    return share(loads, lambda load: load.server_steal_s, server_cores)


def foreign(loads: Sequence[Load], server_cores: int) -> float | None:
    """Return the share of the server's cores that something other than the server used."""
    used = share(loads, _foreign_s, server_cores)
    return None if used is None else max(0.0, used)


def waited(loads: Sequence[Load]) -> float | None:
    """Return the share of the time in which the generator was ready to run but had no core."""
    return share(loads, lambda load: load.generator_run_delay_s)


def _foreign_s(load: Load) -> float | None:
    """Return the others' CPU time, which scatters around 0 if there was none: core times are counted in whole ticks."""
    if load.server_cores_busy_s is None or load.server_cpu_s is None:
        return None
    return load.server_cores_busy_s - load.server_cpu_s
