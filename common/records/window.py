"""The record of one window."""

from typing import Annotated

from msgspec import Struct

from common.records.schema import Count, Seconds, Visit, says


class Latency(Struct, frozen=True, kw_only=True):
    """Response times of the correct answers in seconds; percentiles and mean to 0.4 %, the maximum exact."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float
    mean: float


class WorkerLoad(Struct, frozen=True, kw_only=True):
    """The part of one of several worker processes in a window."""

    name: Annotated[str, says("Locust's name of the worker: host and number.")]
    duration_s: Annotated[Seconds, says("Length of the window by the worker's own clock.")]
    users: Annotated[Count, says("Number of its users at the end of the window.")]
    requests: Annotated[Count, says("Correct answers.")]
    connections_open_min: Annotated[Count, says("Fewest connections open at once.")]
    generator_cpu_s: Annotated[Seconds, says("CPU time of the worker.")]
    generator_run_delay_s: Annotated[Seconds, says("Time that its main thread was runnable and waited for a core.")]
    joined_late: Annotated[bool, says("Whether it joined after the window had begun; it counts from then on.")] = False


class OpenLoop(Struct, frozen=True, kw_only=True):
    """The fields that an open loop adds to a load, whose ``latency_s`` then counts from the intended send."""

    rate_rps: Annotated[float, says("Requested arrivals per second.")]
    planned: Annotated[Count, says("Arrivals that were due in the window.")]
    queued: Annotated[Count, says("Arrivals that had to wait because no connection was idle.")]
    waiting: Annotated[Count, says("Arrivals that still waited for a connection at the end of the window.")]
    never_sent: Annotated[Count, says("Arrivals that were given up after waiting too long for a connection.")]
    from_send_s: Annotated[Latency | None, says("Response times counted from the actual send.")]
    from_send_histogram: Annotated[
        list[tuple[int, int]],
        says("Histogram of response times counted from the actual send, in the format of ``histogram``."),
    ]
    send_lag_s: Annotated[
        Latency | None, says("Delay between the intended and the actual send where a connection was idle.")
    ]
    send_lag_histogram: Annotated[
        list[tuple[int, int]], says("Histogram of the send lag, in the format of ``histogram``.")
    ]
    capacity_rps: Annotated[float | None, says("Capacity of which the rate is a share; null for an absolute rate.")] = (
        None
    )


class Second(Struct, frozen=True, kw_only=True):
    """The generator's own health in one second."""

    duration_s: Annotated[Seconds, says("Measured length of the interval.")]
    cpu_share: Annotated[float, says("CPU time of the generator per second.")]
    run_delay_share: Annotated[
        float, says("Share of the time in which its main thread was runnable and waited for a core.")
    ]
    loop_lag_s: Annotated[Seconds, says("Longest delay of a timer of the event loop.")]
    send_lag_s: Annotated[float | None, says("Longest send lag of an open loop, to 0.4 %; null in a closed loop.")]
    open: Annotated[Count, says("Connections open at the end of the second.")]
    in_flight: Annotated[Count, says("Requests in flight at the end of the second.")]
    sent: Annotated[Count, says("Requests started.")]
    answered: Annotated[Count, says("Complete answers received, correct or not.")]
    littles_law_ratio: Annotated[float | None, says("The same ratio as the window's; null in an open loop.")]


class LoadStep(Struct, frozen=True, kw_only=True):
    """One step of ``ramp`` or ``sleepers``."""

    target: Annotated[float, says("Target of the step: arrivals per second, or sleepers in flight.")]
    throughput_rps: Annotated[float, says("Correct answers per second.")]
    requests: Annotated[Count, says("Correct answers.")]
    p50_s: Annotated[float | None, says("Median response time, from the intended send in an open loop.")]
    p99_s: Annotated[float | None, says("99th percentile of the response time.")]
    unsent: Annotated[Count, says("Arrivals that were given up, or not yet sent at the end of the step.")] = 0
    failures: Annotated[Count, says("Failed requests.")] = 0
    generator_cpu_share: Annotated[float, says("CPU time of the generator per second.")]
    generator_run_delay_share: Annotated[
        float, says("Share of the time in which it was runnable and waited for a core.")
    ] = 0.0
    memory_bytes: Annotated[
        int | None, says("Private memory of the server's processes; null if it was not measured.")
    ] = None
    broken: Annotated[str | None, says("Why the objective was missed; null if it held.")] = None


class Slice(Struct, frozen=True, kw_only=True):
    """A short stretch of load on one of several servers that are up at once.

    ``others_s`` and ``generator_others_s`` count what ran on the cores besides server, generator and database, from the
    moment the server was given its turn until it was idle again.
    """

    number: Annotated[Count, says("Number of the pass, from 1; every server has one slice a pass.")]
    start_s: Annotated[Seconds, says("Start, counted from that of the first slice of the round.")]
    duration_s: Annotated[Seconds, says("Length of what was counted.")]
    requests: Annotated[Count, says("Correct answers.")]
    server_cpu_s: Annotated[float | None, says("CPU time of the server; null if it could not be read.")]
    generator_cpu_s: Annotated[Seconds, says("CPU time of the generator.")]
    database_cpu_s: Annotated[float | None, says("CPU time of the server's database; null if unknown.")] = None
    others_s: Annotated[float | None, says("CPU time of others on the server's cores; null if unknown.")]
    generator_others_s: Annotated[float | None, says("CPU time of others on the generator's cores; null if unknown.")]
    steal_s: Annotated[Seconds, says("Time that the hypervisor took from any core (steal).")]
    disturbed: Annotated[
        bool,
        says(
            "Whether others took too much of the cores, or the machine was slower in this pass. Such slices count only "
            "if over two thirds of the window's are disturbed."
        ),
    ]


class Warmup(Struct, frozen=True, kw_only=True):
    """The load of a fresh server before anything was counted."""

    duration_s: Annotated[Seconds, says("Its length: until the rate had not risen for three quarters of it.")]
    requests: Annotated[Count, says("Responses received.")]
    until_warm_s: Annotated[float | None, says("Load until its rate no longer rose; null if it was not seen to.")]
    until_warm_requests: Annotated[int | None, says("Responses received by then; null likewise.")]
    warm: Annotated[
        bool | None,
        says(
            "Whether the rate no longer rose at the end; null if unknown: too few responses, a fixed length, or a "
            "server that does not compile its code while it runs, whose rate varies."
        ),
    ]


class DiscardedWindow(Struct, frozen=True, kw_only=True):
    """A window that was made again because something else kept the generator from its core; it does not count."""

    reason: Annotated[str, says("What was seen.")]
    duration_s: Annotated[Seconds, says("Measured length of the window.")]
    requests: Annotated[Count, says("Correct answers.")]
    latency_s: Annotated[Latency | None, says("Null if there was no correct answer.")]
    send_lag_s: Annotated[Latency | None, says("How late requests were sent that had an idle connection.")]


class Load(Struct, frozen=True, kw_only=True):
    """The requests and responses of one window, as the generator counted them."""

    duration_s: Annotated[Seconds, says("Measured length of the window.")]
    users: Annotated[Count, says("Locust users, each one connection.")]
    sent: Annotated[Count, says("Requests started, including those for which no connection could be opened.")]
    answered: Annotated[Count, says("Complete answers received, correct or not.")]
    requests: Annotated[Count, says("Correct answers, by status and complete body: the requests that count.")]
    failures: Annotated[dict[str, int], says("Failed requests, counted by reason.")]
    in_flight: Annotated[Count, says("Requests in flight when the window ended: neither answered nor failed.")]
    connections_open_min: Annotated[
        Count | None, says("Fewest connections open at once, sampled every 10 ms; null if the tool does not report it.")
    ]
    reconnects: Annotated[
        Count | None, says("Connections that were opened again; null if the tool does not report it.")
    ]
    latency_s: Annotated[Latency | None, says("Null if there was no correct answer.")]
    histogram: Annotated[list[tuple[int, int]], says("Pairs of bucket (see loadtests/users/histogram.py) and count.")]
    server_cpu_s: Annotated[float | None, says("CPU time of the server in the window; null if it had exited.")]
    throttled_s: Annotated[
        float | None,
        says(
            "Time that the CPU quota throttled the server; in a sliced window, the time throttled over all slices, "
            "scaled to the share of the loaded time that counts; null without a quota."
        ),
    ]
    throttled_periods: Annotated[
        int | None,
        says("Number of quota periods in which the server was throttled; of a sliced window, in all of its slices."),
    ]
    generator_cpu_s: Annotated[Seconds, says("CPU time of all processes of the generator.")]
    generator_run_delay_s: Annotated[
        Seconds | None,
        says(
            "Time that the main threads of the generator's processes were runnable and waited for a core; null if the "
            "tool does not report it."
        ),
    ]
    database_cpu_s: Annotated[
        float | None, says("CPU time of the server's database; null without one, or if it is unknown.")
    ] = None
    steal_s: Annotated[Seconds, says("Time that the hypervisor took from the generator's cores (steal).")]
    steal_all_s: Annotated[Seconds, says("Time that the hypervisor took from all cores (steal).")]
    server_steal_s: Annotated[
        float | None,
        says("Time that the hypervisor took from the server's cores (steal); null if those are not known."),
    ] = None
    server_cores_busy_s: Annotated[
        float | None,
        says("Time that the server's cores were busy with anything; the excess over server_cpu_s is other programs'."),
    ] = None
    littles_law_ratio: Annotated[
        float | None,
        says(
            "Throughput x mean response time / users: 1 in a closed loop, usually less in an open one; "
            "null if the tool does not report it, or where slices were counted to their last responses."
        ),
    ]
    server_gone: Annotated[str | None, says("How the server was lost; null if it was not.")] = None
    server_processes_ended: Annotated[
        int | None, says("Server processes that had exited by the end of the window; null if unknown.")
    ] = None
    server_processes_begun: Annotated[
        int | None, says("Server processes that were started during the window; null if unknown.")
    ] = None
    workers: Annotated[list[WorkerLoad], says("The part of each worker; empty for a single process.")] = []
    workers_lost: Annotated[
        Count,
        says(
            "Workers that were connected before the window and did not report after it; their results are missing here."
        ),
    ] = 0
    window_skew_s: Annotated[
        Seconds | None, says("Upper bound on how far apart the workers' windows may lie; null for a single process.")
    ] = None
    open_loop: Annotated[OpenLoop | None, says("What an open loop adds; null in a closed loop.")] = None
    discarded: Annotated[
        list[DiscardedWindow],
        says("Attempts at this window that were discarded before this one, which counts whatever it shows."),
    ] = []
    slices: Annotated[
        list[Slice],
        says("The slices of a sliced window. Other fields sum up those not disturbed, or all if over two thirds were."),
    ] = []
    warmup: Annotated[
        Warmup | None, says("The load before the window; null if it was not observed, and in old records.")
    ] = None
    idle_cpu_share: Annotated[
        float | None, says("CPU time that the server used per second while other servers were loaded; null if unknown.")
    ] = None
    seconds: Annotated[list[Second], says("Health of the generator, second by second.")] = []
    steps: Annotated[
        list[LoadStep], says("Steps of ramp or sleepers; the other fields describe the step at the knee.")
    ] = []


class Total(Struct, frozen=True, kw_only=True):
    """All requests of one name since the generator started, an entry of the list that ``--tally-file`` writes."""

    method: Annotated[str, says("HTTP method.")]
    name: Annotated[str, says("Name of the request in Locust's statistics.")]
    requests: Annotated[Count, says("Correct answers.")]
    failures: Annotated[dict[str, int], says("Failed requests, counted by reason.")]
    latency_s: Annotated[Latency | None, says("Null if there was no correct answer.")]
    histogram: Annotated[list[tuple[int, int]], says("Pairs of bucket (see loadtests/users/histogram.py) and count.")]
    workers: Annotated[Count, says("Number of worker processes that are summed; 0 for a single process.")]


class Window(Visit, frozen=True, kw_only=True, tag="window"):
    """One fresh server's window. One window gives one value."""

    load: Annotated[Load | None, says("The load; null if the window could not run.")] = None
    load_average: Annotated[float | None, says("Load average of the minute before the window.")] = None
