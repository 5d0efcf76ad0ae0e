"""What was done and seen in one window (a line of ``windows.jsonl``)."""

from datetime import datetime
from typing import Annotated

from msgspec import Struct

from common.records.schema import Count, Seconds, says


class Latency(Struct, frozen=True, kw_only=True):
    """Response times of the good answers in seconds; percentiles and mean to 0.4 %, the maximum exact."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float
    mean: float


class WorkerLoad(Struct, frozen=True, kw_only=True):
    """What one of several worker processes did in a window."""

    name: Annotated[str, says("Host and number, as Locust names it.")]
    duration_s: Annotated[Seconds, says("The window by the worker's own clock.")]
    users: Annotated[Count, says("Its users when the window ended.")]
    requests: Annotated[Count, says("Right answers.")]
    connections_open_min: Annotated[Count, says("Fewest connections open at once.")]
    generator_cpu_s: Annotated[Seconds, says("CPU time of the worker.")]
    generator_run_delay_s: Annotated[Seconds, says("Time its main thread was ready and had no core.")]
    joined_late: Annotated[bool, says("Whether it joined when the window had begun: it counts from then on.")] = False


class OpenLoop(Struct, frozen=True, kw_only=True):
    """What an open loop adds. ``latency_s`` of its load counts from the intended send."""

    rate_rps: Annotated[float, says("Arrivals per second asked for.")]
    planned: Annotated[Count, says("Arrivals that were due.")]
    queued: Annotated[Count, says("Arrivals that found no idle connection and waited.")]
    waiting: Annotated[Count, says("Arrivals that still waited for a connection at the end.")]
    never_sent: Annotated[Count, says("Arrivals given up after waiting in vain.")]
    from_send_s: Annotated[Latency | None, says("Response times from the actual send.")]
    from_send_histogram: Annotated[list[tuple[int, int]], says("As ``histogram``, from the actual send.")]
    send_lag_s: Annotated[Latency | None, says("How late the generator sent where a connection was idle.")]
    send_lag_histogram: Annotated[list[tuple[int, int]], says("As ``histogram``, of the send lag.")]
    capacity_rps: Annotated[float | None, says("The capacity that the rate is a share of; null for a rate.")] = None


class Second(Struct, frozen=True, kw_only=True):
    """One second of the generator's own health."""

    duration_s: Annotated[Seconds, says("Its length as timed.")]
    cpu_share: Annotated[float, says("CPU time of the generator over the time.")]
    run_delay_share: Annotated[float, says("Share of the time in which its main thread was ready and had no core.")]
    loop_lag_s: Annotated[Seconds, says("Longest that a timer of the event loop was late.")]
    send_lag_s: Annotated[float | None, says("Longest send lag of an open loop, to 0.4 %; null in a closed one.")]
    open: Annotated[Count, says("Connections open at its end.")]
    in_flight: Annotated[Count, says("Requests out at its end.")]
    sent: Annotated[Count, says("Requests begun.")]
    answered: Annotated[Count, says("Whole answers received, right or wrong.")]
    littles_law_ratio: Annotated[float | None, says("As the window's; null in an open loop.")]


class Step(Struct, frozen=True, kw_only=True):
    """One step of ``ramp`` or ``sleepers``, in the order in which they were made."""

    target: Annotated[float, says("What was asked for: arrivals per second, or sleepers in flight.")]
    throughput_rps: Annotated[float, says("Right answers per second.")]
    requests: Annotated[Count, says("Right answers.")]
    p50_s: Annotated[float | None, says("Median response time, from the intended send in an open loop.")]
    p99_s: Annotated[float | None, says("99th percentile of the response time.")]
    unsent: Annotated[Count, says("Arrivals never sent, or not yet at the end.")] = 0
    failures: Annotated[Count, says("Requests that failed.")] = 0
    generator_cpu_share: Annotated[float, says("CPU time of the generator over the time.")]
    generator_run_delay_share: Annotated[float, says("Share of the time in which it was ready and had no core.")] = 0.0
    memory_bytes: Annotated[int | None, says("Private memory of the server's processes; null without a meter.")] = None
    broken: Annotated[str | None, says("Why the objective did not hold; null where it did.")] = None


class Load(Struct, frozen=True, kw_only=True):
    """What the generator saw in one window."""

    duration_s: Annotated[Seconds, says("The window's length as timed.")]
    users: Annotated[Count, says("Locust users, each one connection.")]
    sent: Annotated[Count, says("Requests begun, those included that no connection could be opened for.")]
    answered: Annotated[Count, says("Whole answers received, right or wrong.")]
    requests: Annotated[Count, says("Right answers, status and whole body: the requests that count.")]
    failures: Annotated[dict[str, int], says("Requests that failed, counted by reason.")]
    in_flight: Annotated[Count, says("Requests that were out when the window ended: neither answered nor failed.")]
    connections_open_min: Annotated[
        Count | None, says("Fewest connections open at once, looked at every 10 ms; null where a tool does not tell.")
    ]
    reconnects: Annotated[Count | None, says("Connections opened anew; null where a tool does not tell.")]
    latency_s: Annotated[Latency | None, says("Null where nothing was answered well.")]
    histogram: Annotated[list[tuple[int, int]], says("Pairs of bucket (see loadtests/users/histogram.py) and count.")]
    server_cpu_s: Annotated[float | None, says("CPU time of the server in the window; null once it is gone.")]
    throttled_s: Annotated[float | None, says("Time the server was held back by its quota; null without one.")]
    throttled_periods: Annotated[int | None, says("Periods in which that happened.")]
    generator_cpu_s: Annotated[Seconds, says("CPU time of the generator, all its processes.")]
    generator_run_delay_s: Annotated[
        Seconds, says("Time the main threads of the generator's processes were ready and had no core.")
    ]
    steal_s: Annotated[Seconds, says("Time the host took from the generator's cores.")]
    steal_all_s: Annotated[Seconds, says("Time the host took from all cores.")]
    server_steal_s: Annotated[
        float | None, says("Time the host took from the server's cores; null where they are not known.")
    ] = None
    server_cores_busy_s: Annotated[
        float | None, says("Time those cores were busy with anything; what is not the server's is somebody else's.")
    ] = None
    littles_law_ratio: Annotated[
        float | None,
        says(
            "Throughput x mean response time / users: 1 in a closed loop, mostly less in an open one; "
            "null where a tool does not tell."
        ),
    ]
    server_gone: Annotated[str | None, says("How the server was lost; null where it was not.")] = None
    server_processes_ended: Annotated[
        int | None, says("Processes of the server that were gone at the window's end; null where it is not known.")
    ] = None
    server_processes_begun: Annotated[int | None, says("Processes of it that were new then; null likewise.")] = None
    workers: Annotated[list[WorkerLoad], says("Each worker's part; empty where one process did it all.")] = []
    workers_lost: Annotated[
        Count,
        says("Workers that were there before the window and did not report after it; nothing of theirs is here."),
    ] = 0
    window_skew_s: Annotated[
        Seconds | None, says("How far apart the workers' windows may lie, at most; null for one process.")
    ] = None
    open_loop: Annotated[OpenLoop | None, says("Null in a closed loop.")] = None
    seconds: Annotated[list[Second], says("The generator's health, second by second.")] = []
    steps: Annotated[list[Step], says("Steps of ramp or sleepers; the load itself is that of the knee.")] = []


class Total(Struct, frozen=True, kw_only=True):
    """Everything counted under one name since the generator started: one of the list that ``--tally-file`` writes."""

    method: Annotated[str, says("HTTP method.")]
    name: Annotated[str, says("The request's name in Locust's statistics.")]
    requests: Annotated[Count, says("Right answers.")]
    failures: Annotated[dict[str, int], says("Requests that failed, counted by reason.")]
    latency_s: Annotated[Latency | None, says("Null where nothing was answered well.")]
    histogram: Annotated[list[tuple[int, int]], says("Pairs of bucket (see loadtests/users/histogram.py) and count.")]
    workers: Annotated[Count, says("Worker processes that it is the sum of; 0 for one process that did it all.")]


class Window(Struct, frozen=True, kw_only=True):
    """One fresh server's window: a line of ``windows.jsonl``. One window gives one value."""

    run: Annotated[str, says("The run's id.")]
    round: Annotated[Count, says("Round, from 1.")]
    position: Annotated[Count, says("Place in the round's order, from 1.")]
    cell: Annotated[str, says("The cell's name.")]
    started_at: Annotated[datetime, says("UTC.")]
    took_s: Annotated[float | None, says("Wall time since the end of the window before: what a budget counts.")] = None
    load: Annotated[Load | None, says("Null where the window could not be made.")] = None
    error: Annotated[str | None, says("Why the window could not be made, or how the server ended in it.")] = None
    load_average: Annotated[float | None, says("Load average of the last minute, before the window.")] = None


class Canary(Struct, frozen=True, kw_only=True):
    """A fixed piece of work, timed on the server's cores at the beginning of a round: a line of ``canaries.jsonl``."""

    run: Annotated[str, says("The run's id.")]
    round: Annotated[Count, says("Round, from 1.")]
    started_at: Annotated[datetime, says("UTC.")]
    cpu_s: Annotated[Seconds, says("CPU time that the work took.")]
    wall_s: Annotated[Seconds, says("Wall time that it took; the rest was waiting for a core.")]
    steal_s: Annotated[Seconds, says("Time the host took from the server's cores meanwhile.")] = 0.0
    load_average: Annotated[float | None, says("Load average of the last minute, before the work.")] = None
