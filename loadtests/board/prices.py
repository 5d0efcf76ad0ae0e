"""What requests, idle months and tasks cost, in dollars. Pure arithmetic.

A task of v vCPUs and g GB costs v p_cpu + g p_mem an hour. Its server carries v c requests a second, c being its
requests per CPU-second, and is kept busy for a share u of that. So a million requests cost
(v p_cpu + g p_mem) / (3600 v c u) x 10^6.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from common.catalog.prices import BYTES_PER_GB, Compute, Storage
from common.catalog.sizes import Size
from common.records.summary import Interval

HOURS_PER_MONTH = 730
"""A twelfth of a year, as clouds count it."""
SECONDS_PER_HOUR = 3600
MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPoint:
    """The p99 of a stack that is kept busy for a share of its own capacity, under an open loop."""

    utilisation: float
    p99_s: float
    """The upper end of its interval where it has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Equal tasks that carry a rate."""

    offer: Compute
    size: Size
    tasks: int
    utilisation: float
    """The share of their capacity that the rate takes."""
    month: float
    """Dollars."""


def hourly(offer: Compute, size: Size) -> float:
    """Dollars for an hour of a task."""
    return size.vcpu * offer.vcpu_hour + _gb(size) * offer.gb_hour


def task_cost(offer: Compute, size: Size, duration_s: float) -> float:
    """Dollars for one task that lives ``duration_s`` from the start of its image's pull."""
    return hourly(offer, size) * max(duration_s, offer.minimum_s) / SECONDS_PER_HOUR


def per_million(offer: Compute, size: Size, requests_per_cpu_s: Interval, utilisation: float) -> Interval:
    """Dollars for a million requests; the interval is the rate's, carried through: a higher rate is a lower cost."""

    def cost(rate: float) -> float:
        return hourly(offer, size) / (SECONDS_PER_HOUR * size.vcpu * rate * utilisation) * MILLION

    rate = requests_per_cpu_s
    return Interval(
        estimate=cost(rate.estimate),
        low=None if rate.high is None else cost(rate.high),
        high=None if rate.low is None else cost(rate.low),
        n=rate.n,
    )


def storage_month(storage: Storage, compressed_bytes: int) -> float:
    """Dollars for keeping an image for a month."""
    return storage.gb_month * compressed_bytes / BYTES_PER_GB


def idle_month(offer: Compute, size: Size) -> float:
    """Dollars for a task that waits for a month; its image is kept apart, once for all tasks."""
    return hourly(offer, size) * HOURS_PER_MONTH


def least(sizes: Iterable[Size], vcpu: float, needed_bytes: int = 0) -> Size | None:
    """The size of least memory that has ``vcpu`` and holds ``needed_bytes``; ``None`` where none does."""
    fitting = [size for size in sizes if size.vcpu == vcpu and (size.memory_bytes or 0) >= needed_bytes]
    return min(fitting, key=_gb, default=None)


def cheapest(
    offer: Compute,
    sizes: Sequence[Size],
    *,
    rate_rps: float,
    requests_per_cpu_s: float,
    utilisation: Mapping[float, float],
) -> Fleet | None:
    """The cheapest fleet of one of ``sizes`` that carries ``rate_rps``; of two as cheap that of fewer tasks.

    ``utilisation`` is how busy a task may be kept, by vCPUs; a size whose vCPUs it lacks is not considered.
    """
    fleets = [
        _fleet(offer, size, rate_rps, requests_per_cpu_s, utilisation[size.vcpu])
        for size in sizes
        if size.vcpu in utilisation
    ]
    return min(fleets, key=lambda fleet: (round(fleet.month, 6), fleet.tasks), default=None)


def busiest(points: Iterable[LatencyPoint], p99_s: float) -> float | None:
    """The highest utilisation up to which every measured p99 is within ``p99_s``; ``None`` where not even the first is.

    Nothing is interpolated: what lies between two measured points counts as the lower one.
    """
    found = None
    for point in sorted(points, key=lambda one: one.utilisation):
        if point.p99_s > p99_s:
            break
        found = point.utilisation
    return found


def _fleet(offer: Compute, size: Size, rate_rps: float, requests_per_cpu_s: float, utilisation: float) -> Fleet:
    capacity_rps = size.vcpu * requests_per_cpu_s
    tasks = max(1, math.ceil(rate_rps / (capacity_rps * utilisation) - 1e-9))
    return Fleet(
        offer=offer,
        size=size,
        tasks=tasks,
        utilisation=rate_rps / (tasks * capacity_rps),
        month=tasks * idle_month(offer, size),
    )


def _gb(size: Size) -> float:
    return (size.memory_bytes or 0) / BYTES_PER_GB
