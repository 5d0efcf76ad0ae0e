"""Adds several loads up to one: those of a master's workers, or those of a server's slices. Pure."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from common.records.window import Latency, Load, OpenLoop, WorkerLoad
from loadtests.users import histogram
from loadtests.users.tally import Tally


class Part(Struct, frozen=True, kw_only=True):
    """A worker's window, as it sends it to its master."""

    worker: str
    load: Load
    joined_late: bool = False


Rule = Callable[[Sequence[Any]], Any]
OPEN_LOOP_COUNTS = ("planned", "queued", "waiting", "never_sent")
OF_SERVER = (
    "server_cpu_s",
    "throttled_s",
    "throttled_periods",
    "database_cpu_s",
    "server_steal_s",
    "server_cores_busy_s",
    "server_processes_ended",
    "server_processes_begun",
)
"""The fields about the server and its cores, which the master alone reads."""


def merged(
    parts: Sequence[Part], master: Load, *, workers_lost: int = 0, skew_s: float | None = None, rate_rps: float = 0.0
) -> Load:
    """Return the record of all workers together; nothing is estimated for lost ones.

    Counts, histograms, CPU times and the fewest open connections (whose sum is a lower bound) add up. The duration is
    the mean over the workers that were present from the beginning. Stolen time, which all workers of a machine see, is
    the largest value of any worker. What ``master`` has of a load is the server and the master's own CPU time.
    """
    loads = [part.load for part in parts]
    return total(
        loads,
        OF_WORKERS,
        duration_s=_mean([part.load.duration_s for part in parts if not part.joined_late]),
        users=sum(load.users for load in loads),
        **{name: getattr(master, name) for name in OF_SERVER},
        generator_cpu_s=sum(load.generator_cpu_s for load in loads) + master.generator_cpu_s,
        open_loop=_open_loop([load.open_loop for load in loads if load.open_loop is not None], rate_rps),
        server_gone=_gone(loads),
        workers=[_worker(part) for part in sorted(parts, key=lambda part: part.worker)],
        workers_lost=workers_lost,
        window_skew_s=skew_s,
    )


def total(
    loads: Sequence[Load],
    rules: Mapping[str, Rule],
    *,
    duration_s: float,
    users: int,
    **fields: Any,  # noqa: ANN401 -- of a load
) -> Load:
    """Return the sum of loads: fields by their rules, or else as in ``fields``, and the response times of all."""
    values = {name: rule([getattr(load, name) for load in loads]) for name, rule in rules.items()}
    return Load(
        duration_s=duration_s,
        users=users,
        latency_s=_latency(loads, values["histogram"]),
        **{"littles_law_ratio": _littles_law_ratio(loads, duration_s, users), **fields, **values},
    )


def added(values: Sequence[Any]) -> Any:  # noqa: ANN401 -- int or float
    """Return the sum; ``None`` if any value is unknown."""
    return None if None in values else sum(values)


def _largest(values: Sequence[float]) -> float:
    return max(values, default=0.0)


def _counters(values: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return dict(sum((Counter(value) for value in values), Counter()))


def _chained(values: Sequence[Sequence[Any]]) -> list[Any]:
    return list(itertools.chain.from_iterable(values))


def _histograms(values: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int]]:
    return histogram.sparse(histogram.dense(pair for value in values for pair in value))


COUNTED: Mapping[str, Rule] = {
    "sent": added,
    "answered": added,
    "requests": added,
    "failures": _counters,
    "reconnects": added,
    "histogram": _histograms,
    "generator_run_delay_s": added,
}
OF_WORKERS: Mapping[str, Rule] = {
    **COUNTED,
    "in_flight": added,
    "connections_open_min": added,
    "seconds": _chained,
    "steal_s": _largest,
    "steal_all_s": _largest,
}
"""The functions that merge the fields of workers' records which depend on no other field."""


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _latency(loads: Sequence[Load], pairs: Sequence[tuple[int, int]]) -> Latency | None:
    known = [(load.latency_s, load.requests) for load in loads if load.latency_s is not None]
    if not known:
        return None
    total = sum(requests for _, requests in known)
    return latency(
        histogram.dense(pairs),
        longest_s=max(latency.max for latency, _ in known),
        mean_s=sum(latency.mean * requests for latency, requests in known) / total,
    )


def _open_loop(loops: Sequence[OpenLoop], rate_rps: float) -> OpenLoop | None:
    """Return the merged counts of the workers' open loops; ``None`` for closed loops."""
    if not loops:
        return None
    counts = {name: sum(getattr(loop, name) for loop in loops) for name in OPEN_LOOP_COUNTS}
    from_send, send_lag = (
        histogram.dense(_histograms([getattr(loop, name) for loop in loops]))
        for name in ("from_send_histogram", "send_lag_histogram")
    )
    return OpenLoop(
        **counts,
        rate_rps=rate_rps,
        from_send_s=latency(from_send),
        from_send_histogram=histogram.sparse(from_send),
        send_lag_s=latency(send_lag),
        send_lag_histogram=histogram.sparse(send_lag),
    )


def _littles_law_ratio(loads: Sequence[Load], duration_s: float, users: int) -> float | None:
    """Return the sum of all response times over the total time of all users."""
    if any(load.littles_law_ratio is None for load in loads):
        return None
    busy_s = sum((load.littles_law_ratio or 0.0) * load.duration_s * load.users for load in loads)
    return busy_s / duration_s / users if users and duration_s else 0.0


def _gone(loads: Sequence[Load]) -> str | None:
    """Return how the server was lost, if every worker with users lost it."""
    reasons = [load.server_gone for load in loads if load.users]
    return reasons[0] if reasons and all(reasons) else None


def _worker(part: Part) -> WorkerLoad:
    load = part.load
    return WorkerLoad(
        name=part.worker,
        duration_s=load.duration_s,
        users=load.users,
        requests=load.requests,
        connections_open_min=load.connections_open_min or 0,
        generator_cpu_s=load.generator_cpu_s,
        generator_run_delay_s=load.generator_run_delay_s or 0.0,
        joined_late=part.joined_late,
    )


def latency_of(tally: Tally) -> Latency | None:
    """Return the latency of a tally's good responses; ``None`` if there are none."""
    return latency(tally.counts, longest_s=tally.longest_s, mean_s=tally.total_s / (tally.good or 1))


def latency(counts: Sequence[int], *, longest_s: float | None = None, mean_s: float | None = None) -> Latency | None:
    """Return the percentiles of a histogram; ``None`` if it is empty.

    Maximum and mean are read from the buckets unless exact values are given.
    """
    if not any(counts):
        return None
    p50, p90, p99, p999, last = (histogram.percentile_s(counts, part) or 0.0 for part in (0.5, 0.9, 0.99, 0.999, 1.0))
    if mean_s is None:
        mean_s = sum(histogram.value_s(bucket) * count for bucket, count in histogram.sparse(counts)) / sum(counts)
    return Latency(p50=p50, p90=p90, p99=p99, p999=p999, max=last if longest_s is None else longest_s, mean=mean_s)
