"""Records of ``make latency``, ``make workers`` and ``make causes``: servers, their traffic, their response times."""

from typing import Annotated

from msgspec import Struct, field

from common.catalog.sizes import Size
from common.records.load import Rate, Setup
from common.records.run import Cell, Run
from common.records.schema import Count, RunSummary, Visit, says
from common.records.summary import Interval, Verdict
from common.records.window import Load

CONNECTIONS = 16
"""The number that ``make loadtest`` uses."""
SATURATED = f"{CONNECTIONS} at a time"
"""The closed-loop traffic from which capacity is read."""


class Traffic(Struct, frozen=True, kw_only=True):
    """One load on a server: a closed loop, or an open loop with Poisson arrivals."""

    name: Annotated[str, says("Name, unique among the traffic of a point.")]
    connections: Annotated[Count, says("Connections; in a closed loop each always has one request in flight.")]
    rate: Annotated[Rate | None, says("Arrival rate; null for a closed loop.")] = None
    window_s: Annotated[float | None, says("Length of its window; null for the time that 1,100 arrivals take.")] = None


class Point(Struct, frozen=True, kw_only=True):
    """A stack at a size under given conditions, which gets a fresh server in each round."""

    name: Annotated[str, says("Name, unique in its run.")]
    stack: Annotated[str, says("Name of its cell in the run.")]
    size: Annotated[Size, says("vCPUs, memory, workers and quota period of the server.")]
    neighbours: Annotated[
        Count, says("Number of containers that burn CPU on the server's cores, with equal CPU shares.")
    ] = 0
    proxied: Annotated[bool, says("Whether the load goes through docker-proxy, as through a published port.")] = False
    server_cores: Annotated[list[int], says("Cores the server is pinned to.")]
    generator_cores: Annotated[list[int], says("Cores the load generator is pinned to.")]
    traffic: Annotated[list[Traffic], says("Loads that each server gets, one after the other.")]
    missing: Annotated[str | None, says("Why it is not measured; null if it is.")] = None


class LatencyRun(Run, frozen=True, kw_only=True, tag="latency"):
    """Response times by size; the setup's size, cores and load are those of no point."""

    setup: Setup
    cells: list[Cell]
    points: list[Point]


class WorkersRun(LatencyRun, frozen=True, kw_only=True, tag="workers"):
    """Numbers of workers against vCPUs."""


class CausesRun(LatencyRun, frozen=True, kw_only=True, tag="causes"):
    """One stack in different surroundings, one thing changed at a time."""


class TrafficVisit(Visit, frozen=True, kw_only=True, tag="traffic"):
    """One fresh server of a point and all its traffic."""

    loads: Annotated[dict[str, Load], says("Windows by the name of their traffic, in the order in which they ran.")]
    memory_bytes: Annotated[
        int | None,
        says(
            "Memory held at the end: anonymous, shared and kernel memory of the control group, or the processes' PSS."
        ),
    ] = None


class TrafficRow(Struct, frozen=True, kw_only=True):
    """One traffic of one point: percentiles are taken per server, then intervals over servers."""

    point: Annotated[str, says("The point's name.")]
    traffic: Annotated[str, says("The traffic's name.")]
    servers: Annotated[Count, says("Number of fresh servers measured.")]
    windows_discarded: Annotated[
        Count, says("Windows that were made again because something kept the generator from its core.")
    ] = 0
    requests: Annotated[Count, says("Correct responses of all servers, the sample behind pooled percentiles.")]
    throughput_rps: Annotated[Interval | None, says("Correct responses per second.")]
    requests_per_cpu_s: Annotated[Interval | None, says("Correct responses per CPU-second of the server.")]
    mean_s: Annotated[Interval | None, says("Mean response time.")]
    p50_s: Annotated[Interval | None, says("Median response time.")]
    p99_s: Annotated[
        Interval | None,
        says("99th percentile; pooled over servers and without bounds if a server has fewer than 1,000 responses."),
    ]
    p999_s: Annotated[
        Interval | None,
        says("99.9th percentile; pooled over servers and without bounds if a server has fewer than 10,000 responses."),
    ]
    throttled_share: Annotated[float | None, says("Share of the time in which the CPU quota throttled the server.")]
    throttled_periods: Annotated[int | None, says("Number of quota periods in which the server was throttled.")]
    server_utilisation: Annotated[float | None, says("Server CPU time as a share of its vCPUs' time.")]
    histogram: Annotated[
        list[tuple[int, int]],
        says("Empirical distribution of all response times, in the format of a window's histogram."),
    ]
    verdict: Verdict
    doubts: Annotated[dict[str, str], says("Every verdict that applies, each with the observation and the remedy.")]


class PointRow(Struct, frozen=True, kw_only=True):
    """The results of a point that do not depend on its traffic."""

    point: Annotated[str, says("The point's name.")]
    memory_bytes: Annotated[Interval | None, says("Memory held after all its traffic.")]
    modelled_rps: Annotated[
        Interval | None,
        says("For a size that was not measured: the vCPUs it can use x requests per CPU-second of a measured one."),
    ] = None


class WorkerChoice(Struct, frozen=True, kw_only=True):
    """A number of workers compared with the recommended one, by ratios within rounds."""

    workers: Count
    throughput_ratio: Annotated[Interval | None, says("Capacity divided by that of the recommended number of workers.")]
    p99_ratio: Annotated[Interval | None, says("99th percentile divided by that of the recommended number of workers.")]
    memory_difference_bytes: Annotated[float | None, says("Memory beyond that of the recommended number of workers.")]


class WorkerAdvice(Struct, frozen=True, kw_only=True):
    """The recommended number of workers at a size, and the comparisons behind it."""

    stack: Annotated[str, says("Name of the cell.")]
    vcpu: float
    workers: Annotated[Count, says("Recommended number of worker processes.")]
    others: list[WorkerChoice]
    firm: Annotated[bool, says("Whether every number behind it is free of doubts.")]


class CauseRatio(Struct, frozen=True, kw_only=True):
    """A point with one change compared with points without it, by ratios within rounds."""

    point: Annotated[str, says("The point's name.")]
    against: Annotated[list[str], says("Names of the points whose geometric mean it is compared with.")]
    traffic: Annotated[str, says("The traffic's name.")]
    mean_ratio: Annotated[Interval | None, says("Ratio of mean response times.")]
    p99_ratio: Annotated[
        Interval | None, says("Ratio of 99th percentiles; null with fewer than 400 responses per server.")
    ]


class LatencySummary(RunSummary, frozen=True, kw_only=True):
    """The results of a run (``summary.json``)."""

    rows: list[TrafficRow]
    points: list[PointRow]
    advice: Annotated[list[WorkerAdvice], says("Recommendations of make workers; empty for the other commands.")] = (
        field(default_factory=list)
    )
    ratios: Annotated[list[CauseRatio], says("Ratios of make causes; empty for the other commands.")] = field(
        default_factory=list
    )
