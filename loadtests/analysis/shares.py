"""What share of the windows' time somebody used, or lost: from 0 to 1, ``None`` where it was not recorded. Pure."""

from collections.abc import Callable, Sequence

from common.records.window import Load


def share(loads: Sequence[Load], seconds: Callable[[Load], float | None], cores: float = 1) -> float | None:
    """Seconds of something over the time of ``cores`` in those of the windows that recorded it."""
    known = [(found, load.duration_s) for load in loads if (found := seconds(load)) is not None]
    time_s = sum(duration_s for _, duration_s in known) * cores
    return sum(found for found, _ in known) / time_s if time_s else None


def server(loads: Sequence[Load], vcpu: float) -> float | None:
    """Of its vCPUs that the server used."""
    return share(loads, lambda load: load.server_cpu_s, vcpu)


def generator(loads: Sequence[Load], cores: int) -> float | None:
    """Of its cores that the generator used."""
    return share(loads, lambda load: load.generator_cpu_s, cores)


def throttled(loads: Sequence[Load]) -> float | None:
    """In which its quota held the server back; ``None`` without a quota."""
    return share(loads, lambda load: load.throttled_s)


def stolen(loads: Sequence[Load], server_cores: int) -> float | None:
    """Of the server's cores that the host took."""
    return share(loads, lambda load: load.server_steal_s, server_cores)


def foreign(loads: Sequence[Load], server_cores: int) -> float | None:
    """Of the server's cores that something other than the server used."""
    found = share(loads, _foreign_s, server_cores)
    return None if found is None else max(0.0, found)


def waited(loads: Sequence[Load]) -> float | None:
    """In which the generator was ready to run and had no core."""
    return share(loads, lambda load: load.generator_run_delay_s)


def _foreign_s(load: Load) -> float | None:
    """Below 0 as often as above where there was nothing: a core's times are counted in ticks, the server's exactly."""
    if load.server_cores_busy_s is None or load.server_cpu_s is None:
        return None
    return load.server_cores_busy_s - load.server_cpu_s
