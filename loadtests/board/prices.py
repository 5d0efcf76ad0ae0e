"""The cost of requests and idle months, in dollars. Pure arithmetic.

A task of v vCPUs and g GB costs v p_cpu + g p_mem an hour. Its server carries v c requests a second, c being its
requests per CPU-second, and is kept busy for a share u of that. So a million requests cost
(v p_cpu + g p_mem) / (3600 v c u) x 10^6.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from common.catalog.prices import BYTES_PER_GB, Compute, Storage
from common.catalog.sizes import Size
from common.records.bill import Fleet
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
    """The upper end of its interval, if it has one."""


def hourly(offer: Compute, size: Size) -> float:
    """Return the dollars for an hour of a task."""
    return size.vcpu * offer.vcpu_hour + _gb(size) * offer.gb_hour


def per_million(offer: Compute, size: Size, requests_per_cpu_s: Interval, utilisation: float) -> Interval:
    """Return the dollars for a million requests, with the interval that follows from the rate's."""

    def cost(rate: float) -> float:
        return hourly(offer, size) / (SECONDS_PER_HOUR * size.vcpu * rate * utilisation) * MILLION

    rate = requests_per_cpu_s
    return Interval(
        estimate=cost(rate.estimate),
        low=None if rate.high is None else cost(rate.high),
        high=None if rate.low is None else cost(rate.low),
        n=rate.n,
    )


def storage_month(storage: Storage, compressed_bytes: float) -> float:
    """Return the dollars for storing an image for a month."""
    return storage.gb_month * compressed_bytes / BYTES_PER_GB


def idle_month(offer: Compute, size: Size) -> float:
    """Return the dollars for a task that waits for a month, without the storage of its image."""
    return hourly(offer, size) * HOURS_PER_MONTH


def least(sizes: Iterable[Size], vcpu: float, needed_bytes: int = 0) -> Size | None:
    """Return the size with ``vcpu`` and the least memory that holds ``needed_bytes``; ``None`` if there is none."""
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
    """Return the cheapest fleet of one of ``sizes`` that carries ``rate_rps``; among equals, the one with fewer tasks.

    ``utilisation`` is how busy a task may be kept, by vCPUs; a size whose vCPUs it lacks is not considered.
    """
    fleets = [
        _fleet(offer, size, rate_rps, requests_per_cpu_s, utilisation[size.vcpu])
        for size in sizes
        if size.vcpu in utilisation
    ]
    return min(fleets, key=lambda fleet: (round(fleet.month, 6), fleet.tasks), default=None)


def busiest(points: Sequence[LatencyPoint], p99_s: float) -> float | None:
    """Return the highest utilisation up to which every measured p99 is within ``p99_s``; ``None`` if the first is not.

    Nothing is interpolated: between two measured points, the lower one counts.
    """
    slow = min((point.utilisation for point in points if point.p99_s > p99_s), default=math.inf)
    return max((point.utilisation for point in points if point.utilisation < slow), default=None)


def _fleet(offer: Compute, size: Size, rate_rps: float, requests_per_cpu_s: float, utilisation: float) -> Fleet:
    capacity_rps = size.vcpu * requests_per_cpu_s
    tasks = max(1, math.ceil(rate_rps / (capacity_rps * utilisation) - 1e-9))
    return Fleet(
        size=size,
        tasks=tasks,
        utilisation=rate_rps / (tasks * capacity_rps),
        month=tasks * idle_month(offer, size),
    )


def _gb(size: Size) -> float:
    return (size.memory_bytes or 0) / BYTES_PER_GB
