"""What ``make latency``, ``make workers`` and ``make causes`` write down: servers, what was sent to each, what came."""

from datetime import datetime
from typing import Annotated

from msgspec import Struct

from common.records.run import Run
from common.records.schema import SCHEMA_VERSION, Count, says
from common.records.summary import Interval, Verdict
from common.records.window import Load


class Traffic(Struct, frozen=True, kw_only=True):
    """One way in which a server is loaded: a closed loop, or an open one with Poisson arrivals."""

    name: Annotated[str, says("Unique among those of a point.")]
    connections: Annotated[Count, says("Connections; in a closed loop each has one request out at any time.")]
    rate: Annotated[str | None, says("Arrivals: per second, or % of the capacity; null for a closed loop.")] = None
    window_s: Annotated[float | None, says("Length of its window; null: as long as 1,100 arrivals take.")] = None


class Point(Struct, frozen=True, kw_only=True):
    """A stack at a size, in its surroundings: what gets a fresh server each round."""

    name: Annotated[str, says("Unique in its run.")]
    stack: Annotated[str, says("Name of its cell in the run.")]
    vcpu: Annotated[float, says("vCPUs given to the server.")]
    memory_bytes: Annotated[int | None, says("Memory limit; null where there is none.")] = None
    workers: Annotated[Count, says("Worker processes asked for.")]
    period_s: Annotated[float | None, says("Period of its CPU quota; null for the engine's own, 0.1 s.")] = None
    neighbours: Annotated[Count, says("Containers that burn CPU on the server's cores, each with equal shares.")] = 0
    proxied: Annotated[bool, says("Whether the load goes through docker-proxy, as through a published port.")] = False
    server_cores: Annotated[list[int], says("Cores the server is pinned to.")]
    generator_cores: Annotated[list[int], says("Cores the load generator is pinned to.")]
    traffic: Annotated[list[Traffic], says("What each server is loaded with.")]
    missing: Annotated[str | None, says("Why it is not measured; null where it is.")] = None


class LatencyRun(Struct, frozen=True, kw_only=True):
    """One invocation (``run.json``), written before its first server."""

    schema_version: Annotated[int, says("Version of these records.")] = SCHEMA_VERSION
    verb: Annotated[str, says("latency, workers or causes.")]
    run: Annotated[Run, says("Machine, seed, rounds, stacks; its size and load are those of no point.")]
    points: list[Point]


class Visit(Struct, frozen=True, kw_only=True):
    """One fresh server and all its traffic (a line of ``visits.jsonl``)."""

    run: Annotated[str, says("The run's id.")]
    round: Annotated[Count, says("Round, from 1.")]
    position: Annotated[Count, says("Place in the round's order, from 1.")]
    point: Annotated[str, says("The point's name.")]
    started_at: Annotated[datetime, says("UTC.")]
    loads: Annotated[dict[str, Load], says("Windows by name of their traffic, in the order in which they were made.")]
    memory_bytes: Annotated[
        int | None, says("Memory held at the end: anonymous, shared, kernel; PSS of processes.")
    ] = None
    error: Annotated[str | None, says("Why windows are missing, or how the server ended.")] = None


class TrafficRow(Struct, frozen=True, kw_only=True):
    """One traffic of one point: percentiles of each server first, then their interval over servers."""

    point: Annotated[str, says("The point's name.")]
    traffic: Annotated[str, says("The traffic's name.")]
    servers: Annotated[Count, says("Fresh servers measured.")]
    requests: Annotated[Count, says("Right answers of all servers: what pooled percentiles stand on.")]
    throughput_rps: Annotated[Interval | None, says("Right answers per second.")]
    requests_per_cpu_s: Annotated[Interval | None, says("Right answers per CPU-second of the server.")]
    mean_s: Annotated[Interval | None, says("Mean response time.")]
    p50_s: Annotated[Interval | None, says("Median response time.")]
    p99_s: Annotated[Interval | None, says("99th percentile; pooled, without bounds, below 1,000 answers a server.")]
    p999_s: Annotated[Interval | None, says("99.9th; pooled, without bounds, below 10,000 answers a server.")]
    throttled_share: Annotated[float | None, says("Share of the time that the quota held the server back.")]
    throttled_periods: Annotated[int | None, says("Periods of the quota in which it did.")]
    server_utilisation: Annotated[float | None, says("Server CPU time over its vCPUs' time.")]
    histogram: Annotated[list[tuple[int, int]], says("All answers: the empirical distribution, as in a window.")]
    verdict: Verdict
    doubts: Annotated[dict[str, str], says("Every verdict that applies, each with what was seen and what to do.")]


class PointRow(Struct, frozen=True, kw_only=True):
    """What holds for a point whatever its traffic."""

    point: Annotated[str, says("The point's name.")]
    memory_bytes: Annotated[Interval | None, says("Memory held after all traffic.")]
    modelled_rps: Annotated[Interval | None, says("Of a size that is missing: vCPUs x requests per CPU-second.")] = None


class WorkerChoice(Struct, frozen=True, kw_only=True):
    """A number of workers against the one recommended, by ratios within rounds."""

    workers: Count
    throughput_ratio: Annotated[Interval | None, says("Capacity over that of the recommended number.")]
    p99_ratio: Annotated[Interval | None, says("99th percentile over that of the recommended number.")]
    memory_difference_bytes: Annotated[float | None, says("Memory more than that of the recommended number.")]


class WorkerAdvice(Struct, frozen=True, kw_only=True):
    """How many workers to run at a size, and why."""

    stack: Annotated[str, says("Name of the cell.")]
    vcpu: float
    workers: Annotated[Count, says("The number recommended.")]
    others: list[WorkerChoice]
    firm: Annotated[bool, says("Whether all numbers that it stands on are free of doubts.")]


class CauseRatio(Struct, frozen=True, kw_only=True):
    """A point against plain ones, by ratios within rounds."""

    point: Annotated[str, says("The point's name.")]
    against: Annotated[list[str], says("Names of the points it is set against; their geometric mean.")]
    traffic: Annotated[str, says("The traffic's name.")]
    mean_ratio: Annotated[Interval | None, says("Of mean response times.")]
    p99_ratio: Annotated[Interval | None, says("Of 99th percentiles; null below 400 answers a server.")]


class LatencySummary(Struct, frozen=True, kw_only=True):
    """What a run's servers amount to (``summary.json``)."""

    schema_version: Annotated[int, says("Version of these records.")] = SCHEMA_VERSION
    run: Annotated[str, says("The run's id.")]
    rows: list[TrafficRow]
    points: list[PointRow]
    advice: Annotated[list[WorkerAdvice], says("Of make workers; empty for the others.")] = []
    ratios: Annotated[list[CauseRatio], says("Of make causes; empty for the others.")] = []
