"""What is given a fresh server each round: stacks at sizes, each with its traffic. Pure."""

import math
from collections.abc import Sequence

from common.catalog.sizes import SMALLEST_VCPU
from common.errors import UsageError
from common.host.cores import split_cores
from common.records.latency import Point, Traffic
from common.runtimes.candidates import Runtime

CONNECTIONS = 16
SHARES = ("25%", "50%", "75%")
SATURATED = f"{CONNECTIONS} at a time"
"""The traffic that a capacity is read from: a closed loop on as many connections as ``make loadtest`` has."""
ONE = "one at a time"
MOST_VCPU = 1024
WINDOW_S = 2.0
ONE_WINDOW_S = 3.0
ARRIVALS = 1100
"""How many arrivals a window is made to hold, so that a thousand of them are answered."""
LONGEST_WINDOW_S = 30.0


def read_vcpus(text: str) -> tuple[float, ...]:
    """The sizes that ``VCPU=`` lists; those above this machine are accepted, to be reported as missing."""
    return tuple(dict.fromkeys(_vcpu(part) for part in text.split(",")))


def read_workers(text: str) -> tuple[int, ...]:
    """The numbers of workers that ``WORKERS=`` lists."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= 64 for part in parts):  # noqa: PLR2004 -- more is no question
        raise UsageError(f"WORKERS={text} is not accepted: numbers from 1 to 64 such as 1,2,3,5 are.")
    return tuple(dict.fromkeys(int(part) for part in parts))


def missing(vcpu: float, runtime: Runtime, cores: Sequence[int]) -> str | None:
    """Why a size cannot be measured here; ``None`` where it can."""
    if runtime is Runtime.FARGATE:
        return None
    room = max(1, len(cores) - 1)
    if math.ceil(vcpu) > room:
        return f"this machine has {len(cores)} cores, and one of them is the generator's"
    if runtime is Runtime.PROCESS and vcpu != int(vcpu):
        return "the process runtime has no quotas; RUNTIME=docker has"
    return None


def point(
    stack: str, vcpu: float, traffic: Sequence[Traffic], *, runtime: Runtime, cores: Sequence[int], workers: int
) -> Point:
    """A stack at a size in plain surroundings."""
    pinned = split_cores(0 if runtime is Runtime.FARGATE else vcpu, cores)
    return Point(
        name=f"{stack} {vcpu:g} vCPU {workers} {'worker' if workers == 1 else 'workers'}",
        stack=stack,
        vcpu=vcpu,
        workers=workers,
        server_cores=list(pinned.server),
        generator_cores=list(pinned.generator),
        traffic=list(traffic),
        missing=missing(vcpu, runtime, cores),
    )


def closed(connections: int, window_s: float = WINDOW_S) -> Traffic:
    """Each connection sends its next request when the one before is answered."""
    name = ONE if connections == 1 else f"{connections} at a time"
    return Traffic(name=name, connections=connections, window_s=window_s)


def opened(rate: str, window_s: float | None = None) -> Traffic:
    """Poisson arrivals at a rate, or at a share of the capacity."""
    name = f"{rate} of capacity" if rate.endswith("%") else f"{rate} a second"
    return Traffic(name=name, connections=CONNECTIONS, rate=rate, window_s=window_s)


def latency_traffic(rate: str) -> tuple[Traffic, ...]:
    """One common rate, shares of the stack's own capacity, and one request at a time."""
    return (closed(CONNECTIONS), closed(1, ONE_WINDOW_S), opened(rate), *map(opened, SHARES))


def window_s(traffic: Traffic, rate_rps: float | None) -> float:
    """How long the traffic's window is to last at this rate."""
    if traffic.window_s is not None:
        return traffic.window_s
    return min(max(ARRIVALS / rate_rps, WINDOW_S), LONGEST_WINDOW_S) if rate_rps else WINDOW_S


def longest_window_s(traffic: Traffic) -> float:
    """How long its window can be at most, whatever its rate."""
    return traffic.window_s if traffic.window_s is not None else LONGEST_WINDOW_S


def _vcpu(text: str) -> float:
    try:
        vcpu = float(text)
    except ValueError:
        vcpu = 0.0
    if not SMALLEST_VCPU <= vcpu <= MOST_VCPU:
        raise UsageError(f"VCPU={text} is not accepted: numbers from {SMALLEST_VCPU} up such as 0.25,0.5,1,2 are.")
    return vcpu
