"""What is written down: a run's manifest, its windows, its summary. Times are seconds, sizes bytes, rates per second.

Each field's meaning stands beside it; ``loadtests/RECORDS.md`` is generated from here.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from common.errors import UsageError

SCHEMA_VERSION = 2
OLDEST_SCHEMA_VERSION = 1
"""The oldest version that is still read; what it does not hold has a default that says so."""


def _says(description: str) -> Meta:
    return Meta(description=description)


Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]


class Machine(Struct, frozen=True, kw_only=True):
    """The machine that a run was made on."""

    cpu_model: Annotated[str, _says("Processor, as the kernel names it.")]
    cores: Annotated[Count, _says("Cores that this process may use.")]
    memory_bytes: Annotated[Count, _says("Physical memory.")]
    kernel: Annotated[str, _says("Kernel release.")]
    cgroup_version: Annotated[int, _says("Control groups: 1 or 2.")]
    python: Annotated[str, _says("Python that ran the harness.")]
    architecture: Annotated[str | None, _says("As the kernel names it; null in records of before.")] = None
    docker: Annotated[str | None, _says("Engine version and storage driver; null where none was used.")] = None
    governor: Annotated[str | None, _says("The kernel's frequency governor; null where it cannot be read.")] = None


class Conformance(Struct, frozen=True, kw_only=True):
    """What the conformance suite said of a stack."""

    passed: Annotated[Count, _says("Tests that passed.")]
    failed: Annotated[dict[str, str], _says("Tests that failed, each with what was seen.")] = {}
    duration_s: Annotated[Seconds, _says("How long the suite took.")]
    divergences: Annotated[dict[str, str], _says("What the stack does where the contract is silent.")] = {}


class Cell(Struct, frozen=True, kw_only=True):
    """What gets one number: a stack, where it runs, how large, under which load."""

    name: Annotated[str, _says("Unique in its run.")]
    framework: Annotated[str, _says("Folder under frameworks/.")]
    title: Annotated[str, _says("What its makers call it.")]
    version: Annotated[str | None, _says("Version read back from the environment or image; null for a floor.")]
    interface: Annotated[str, _says("wsgi, asgi or native.")]
    server: Annotated[str, _says("Server set-up.")]
    server_packages: Annotated[list[str], _says("The server's pinned packages.")]
    lock_sha256: Annotated[str, _says("Digest of the framework's lock.")]
    keep_alive: Annotated[bool, _says("Whether a connection serves more than one request.")]
    packages: Annotated[dict[str, str], _says("What is installed, by its version, read back.")] = {}
    command: Annotated[list[str], _says("The server's command line, without host, port and workers.")] = []
    source_digest: Annotated[str | None, _says("Of the files in the framework's folder; null in older files.")] = None
    image: Annotated[str | None, _says("fat, slim or alpine; null in the process runtime.")] = None
    image_tag: Annotated[str | None, _says("Name of the image that ran.")] = None
    image_id: Annotated[str | None, _says("Digest of the image that ran.")] = None
    base: Annotated[str | None, _says("Name of the image that it was built on; null without one.")] = None
    base_digest: Annotated[
        str | None,
        _says("Digest of that image, as at its build: of its registry, else the engine's; null if not known."),
    ] = None
    stand_in_base: Annotated[bool, _says("Whether the image stands on a locally made stand-in base.")] = False
    python: Annotated[str, _says("Python that ran the stack.")]
    python_asked: Annotated[str | None, _says("Python asked for, as images are named by it; null without one.")] = None
    conformance: Annotated[Conformance | None, _says("Null where the suite could not be run.")] = None
    control_of: Annotated[
        str | None, _says("The cell that this one is a second copy of: the two must tie. Null for all but controls.")
    ] = None


class Ceiling(Struct, frozen=True, kw_only=True):
    """What the generator reached against a server that does nothing but answer, just before the run."""

    requests: Annotated[Count, _says("Requests answered.")]
    duration_s: Annotated[Seconds, _says("How long it took.")]
    generator_cpu_s: Annotated[Seconds, _says("CPU time of the generator.")]
    requests_per_cpu_s: Annotated[float, _says("Requests per second of the generator's CPU time: what a core can do.")]


class Run(Struct, frozen=True, kw_only=True):
    """One invocation (``run.json``), written before its first window."""

    schema_version: Annotated[int, _says("Version of these records.")] = SCHEMA_VERSION
    id: Annotated[str, _says("Names the results folder.")]
    started_at: Annotated[datetime, _says("UTC.")]
    revision: Annotated[str | None, _says("Commit of this project, with +dirty where files had changed.")]
    command_line: Annotated[list[str], _says("How the run was called, and then how it was resumed each time.")]
    seed: Annotated[int, _says("Seed of the order of cells within rounds.")]
    design: Annotated[
        str, _says("rounds: all cells shuffled; duet: two at once; alternation: two in turn; visits.")
    ] = "rounds"
    rounds: Annotated[Count, _says("The most rounds that are made.")]
    fewest_rounds: Annotated[Count, _says("Rounds that are made even where the budget is spent.")] = 1
    looks: Annotated[list[int], _says("Rounds after which resolved cells drop out; empty: exactly `rounds`.")] = []
    budget_s: Annotated[float | None, _says("Time for windows, after which no round begins; null: none.")] = None
    precision: Annotated[
        float | None, _says("Half-width of an interval, relative, at which its cell drops out; null: none.")
    ] = None
    runtime: Annotated[str, _says("process, docker or fargate.")]
    scenario: Annotated[str, _says("Locust workload.")]
    users: Annotated[Count, _says("Locust users, each one connection.")]
    delay_ms: Annotated[Count, _says("What the scenarios that sleep ask for.")]
    vcpu: Annotated[float, _says("vCPUs given to each stack.")]
    memory_bytes: Annotated[int | None, _says("Memory limit; null where there is none.")]
    server_cores: Annotated[list[int], _says("Cores the server is pinned to.")]
    generator_cores: Annotated[list[int], _says("Cores the load generator is pinned to.")]
    warmup_s: Annotated[Seconds, _says("Load before each window, not counted.")]
    window_s: Annotated[Seconds, _says("Length of each window asked for.")]
    tool: Annotated[str, _says("What made the load: locust or wrk.")] = "locust"
    workers: Annotated[Count, _says("Locust's worker processes; 0 for one process that does it all.")] = 0
    rate: Annotated[str | None, _says("Rate of an open loop as asked for: per second, or % of capacity.")] = None
    load_path: Annotated[
        str,
        _says("How the load reached the server: loopback, network namespace, host network, to AWS, between two tasks."),
    ]
    arrivals: Annotated[str | None, _says("How the arrivals of an open loop follow each other.")] = None
    objective: Annotated[str | None, _says("What each step of ramp or sleepers must hold.")] = None
    ceiling: Annotated[Ceiling | None, _says("The generator's own limit; null where it was not measured.")] = None
    machine: Machine
    cells: list[Cell]
    sides: Annotated[list[str], _says("What A= and B= named in a comparison; empty otherwise.")] = []
    server_asked: Annotated[str, _says("SERVER= of a comparison, for a side that names none.")] = "default"
    margin: Annotated[float, _says("Ratios of cells within 1 + margin of each other, either way, are equivalent.")] = (
        0.05
    )


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

    name: Annotated[str, _says("Host and number, as Locust names it.")]
    duration_s: Annotated[Seconds, _says("The window by the worker's own clock.")]
    users: Annotated[Count, _says("Its users when the window ended.")]
    requests: Annotated[Count, _says("Right answers.")]
    connections_open_min: Annotated[Count, _says("Fewest connections open at once.")]
    generator_cpu_s: Annotated[Seconds, _says("CPU time of the worker.")]
    generator_run_delay_s: Annotated[Seconds, _says("Time its main thread was ready and had no core.")]
    joined_late: Annotated[bool, _says("Whether it joined when the window had begun: it counts from then on.")] = False


class OpenLoop(Struct, frozen=True, kw_only=True):
    """What an open loop adds. ``latency_s`` of its load counts from the intended send."""

    rate_rps: Annotated[float, _says("Arrivals per second asked for.")]
    planned: Annotated[Count, _says("Arrivals that were due.")]
    queued: Annotated[Count, _says("Arrivals that found no idle connection and waited.")]
    waiting: Annotated[Count, _says("Arrivals that still waited for a connection at the end.")]
    never_sent: Annotated[Count, _says("Arrivals given up after waiting in vain.")]
    from_send_s: Annotated[Latency | None, _says("Response times from the actual send.")]
    from_send_histogram: Annotated[list[tuple[int, int]], _says("As ``histogram``, from the actual send.")]
    send_lag_s: Annotated[Latency | None, _says("How late the generator sent where a connection was idle.")]
    send_lag_histogram: Annotated[list[tuple[int, int]], _says("As ``histogram``, of the send lag.")]
    capacity_rps: Annotated[float | None, _says("The capacity that the rate is a share of; null for a rate.")] = None


class Second(Struct, frozen=True, kw_only=True):
    """One second of the generator's own health."""

    duration_s: Annotated[Seconds, _says("Its length as timed.")]
    cpu_share: Annotated[float, _says("CPU time of the generator over the time.")]
    run_delay_share: Annotated[float, _says("Share of the time in which its main thread was ready and had no core.")]
    loop_lag_s: Annotated[Seconds, _says("Longest that a timer of the event loop was late.")]
    send_lag_s: Annotated[float | None, _says("Longest send lag of an open loop, to 0.4 %; null in a closed one.")]
    open: Annotated[Count, _says("Connections open at its end.")]
    in_flight: Annotated[Count, _says("Requests out at its end.")]
    sent: Annotated[Count, _says("Requests begun.")]
    answered: Annotated[Count, _says("Whole answers received, right or wrong.")]
    littles_law_ratio: Annotated[float | None, _says("As the window's; null in an open loop.")]


class Step(Struct, frozen=True, kw_only=True):
    """One step of ``ramp`` or ``sleepers``, in the order in which they were made."""

    target: Annotated[float, _says("What was asked for: arrivals per second, or sleepers in flight.")]
    throughput_rps: Annotated[float, _says("Right answers per second.")]
    requests: Annotated[Count, _says("Right answers.")]
    p50_s: Annotated[float | None, _says("Median response time, from the intended send in an open loop.")]
    p99_s: Annotated[float | None, _says("99th percentile of the response time.")]
    unsent: Annotated[Count, _says("Arrivals never sent, or not yet at the end.")] = 0
    failures: Annotated[Count, _says("Requests that failed.")] = 0
    generator_cpu_share: Annotated[float, _says("CPU time of the generator over the time.")]
    generator_run_delay_share: Annotated[float, _says("Share of the time in which it was ready and had no core.")] = 0.0
    memory_bytes: Annotated[int | None, _says("Private memory of the server's processes; null without a meter.")] = None
    broken: Annotated[str | None, _says("Why the objective did not hold; null where it did.")] = None


class Load(Struct, frozen=True, kw_only=True):
    """What the generator saw in one window."""

    duration_s: Annotated[Seconds, _says("The window's length as timed.")]
    users: Annotated[Count, _says("Locust users, each one connection.")]
    sent: Annotated[Count, _says("Requests begun, those included that no connection could be opened for.")]
    answered: Annotated[Count, _says("Whole answers received, right or wrong.")]
    requests: Annotated[Count, _says("Right answers, status and whole body: the requests that count.")]
    failures: Annotated[dict[str, int], _says("Requests that failed, counted by reason.")]
    in_flight: Annotated[Count, _says("Requests that were out when the window ended: neither answered nor failed.")]
    connections_open_min: Annotated[
        Count | None, _says("Fewest connections open at once, looked at every 10 ms; null where a tool does not tell.")
    ]
    reconnects: Annotated[Count | None, _says("Connections opened anew; null where a tool does not tell.")]
    latency_s: Annotated[Latency | None, _says("Null where nothing was answered well.")]
    histogram: Annotated[list[tuple[int, int]], _says("Pairs of bucket (see loadtests/users/histogram.py) and count.")]
    server_cpu_s: Annotated[float | None, _says("CPU time of the server in the window; null once it is gone.")]
    throttled_s: Annotated[float | None, _says("Time the server was held back by its quota; null without one.")]
    throttled_periods: Annotated[int | None, _says("Periods in which that happened.")]
    generator_cpu_s: Annotated[Seconds, _says("CPU time of the generator, all its processes.")]
    generator_run_delay_s: Annotated[
        Seconds, _says("Time the main threads of the generator's processes were ready and had no core.")
    ]
    steal_s: Annotated[Seconds, _says("Time the host took from the generator's cores.")]
    steal_all_s: Annotated[Seconds, _says("Time the host took from all cores.")]
    server_steal_s: Annotated[
        float | None, _says("Time the host took from the server's cores; null where they are not known.")
    ] = None
    server_cores_busy_s: Annotated[
        float | None, _says("Time those cores were busy with anything; what is not the server's is somebody else's.")
    ] = None
    littles_law_ratio: Annotated[
        float | None,
        _says(
            "Throughput x mean response time / users: 1 in a closed loop, mostly less in an open one; "
            "null where a tool does not tell."
        ),
    ]
    server_gone: Annotated[str | None, _says("How the server was lost; null where it was not.")] = None
    server_processes_ended: Annotated[
        int | None, _says("Processes of the server that were gone at the window's end; null where it is not known.")
    ] = None
    server_processes_begun: Annotated[int | None, _says("Processes of it that were new then; null likewise.")] = None
    workers: Annotated[list[WorkerLoad], _says("Each worker's part; empty where one process did it all.")] = []
    workers_lost: Annotated[
        Count,
        _says("Workers that were there before the window and did not report after it; nothing of theirs is here."),
    ] = 0
    window_skew_s: Annotated[
        Seconds | None, _says("How far apart the workers' windows may lie, at most; null for one process.")
    ] = None
    open_loop: Annotated[OpenLoop | None, _says("Null in a closed loop.")] = None
    seconds: Annotated[list[Second], _says("The generator's health, second by second.")] = []
    steps: Annotated[list[Step], _says("Steps of ramp or sleepers; the load itself is that of the knee.")] = []


class Total(Struct, frozen=True, kw_only=True):
    """Everything counted under one name since the generator started: one of the list that ``--tally-file`` writes."""

    method: Annotated[str, _says("HTTP method.")]
    name: Annotated[str, _says("The request's name in Locust's statistics.")]
    requests: Annotated[Count, _says("Right answers.")]
    failures: Annotated[dict[str, int], _says("Requests that failed, counted by reason.")]
    latency_s: Annotated[Latency | None, _says("Null where nothing was answered well.")]
    histogram: Annotated[list[tuple[int, int]], _says("Pairs of bucket (see loadtests/users/histogram.py) and count.")]
    workers: Annotated[Count, _says("Worker processes that it is the sum of; 0 for one process that did it all.")]


class Window(Struct, frozen=True, kw_only=True):
    """One fresh server's window: a line of ``windows.jsonl``. One window gives one value."""

    run: Annotated[str, _says("The run's id.")]
    round: Annotated[Count, _says("Round, from 1.")]
    position: Annotated[Count, _says("Place in the round's order, from 1.")]
    cell: Annotated[str, _says("The cell's name.")]
    started_at: Annotated[datetime, _says("UTC.")]
    took_s: Annotated[float | None, _says("Wall time since the end of the window before: what a budget counts.")] = None
    load: Annotated[Load | None, _says("Null where the window could not be made.")] = None
    error: Annotated[str | None, _says("Why the window could not be made, or how the server ended in it.")] = None
    load_average: Annotated[float | None, _says("Load average of the last minute, before the window.")] = None


class Canary(Struct, frozen=True, kw_only=True):
    """A fixed piece of work, timed on the server's cores at the beginning of a round: a line of ``canaries.jsonl``."""

    run: Annotated[str, _says("The run's id.")]
    round: Annotated[Count, _says("Round, from 1.")]
    started_at: Annotated[datetime, _says("UTC.")]
    cpu_s: Annotated[Seconds, _says("CPU time that the work took.")]
    wall_s: Annotated[Seconds, _says("Wall time that it took; the rest was waiting for a core.")]
    steal_s: Annotated[Seconds, _says("Time the host took from the server's cores meanwhile.")] = 0.0
    load_average: Annotated[float | None, _says("Load average of the last minute, before the work.")] = None


class Verdict(StrEnum):
    """What is thought of a cell's number. Any but ``valid`` and ``throttled`` is shown and not ranked."""

    VALID = "valid"
    NONCONFORMING = "nonconforming"
    NOT_MEASURED = "not-measured"
    SERVER_DIED = "server-died"
    RESTARTED = "restarted"
    WRONG_ANSWERS = "wrong-answers"
    CONNECTIONS = "connections"
    GENERATOR_BOUND = "generator-bound"
    WORKERS_CHANGED = "workers-changed"
    OBJECTIVE_MISSED = "objective-missed"
    OVERLOADED = "overloaded"
    SHARED_CORE = "shared-core"
    WALL_ONLY = "wall-only"
    DISTURBED = "disturbed"
    CONTROL_DIFFERS = "control-differs"
    CANARY_DRIFT = "canary-drift"
    PAGE_CACHE = "page-cache"
    TOO_FEW_ROUNDS = "too-few-rounds"
    THROTTLED = "throttled"


class Interval(Struct, frozen=True, kw_only=True):
    """An estimate with its 95 % confidence interval over windows."""

    estimate: float
    low: Annotated[float | None, _says("Null with fewer than two windows.")]
    high: Annotated[float | None, _says("Null with fewer than two windows.")]
    n: Annotated[Count, _says("Windows it stands on.")]


class Decision(StrEnum):
    """What the data say of two cells."""

    DIFFERENT = "different"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"


class Pair(Struct, frozen=True, kw_only=True):
    """Two cells, compared within the rounds that both have."""

    a: Annotated[str, _says("A cell's name.")]
    b: Annotated[str, _says("Another's.")]
    ratio: Annotated[Interval | None, _says("Value of a over that of b; null without a round in common.")]
    p_value: Annotated[float, _says("Of no difference, adjusted for all pairs and all looks.")]
    decision: Annotated[Decision, _says("Different, equivalent within the run's margin, or undecided.")]
    rounds_needed: Annotated[
        int | None, _says("Further rounds after which a decision has an 80 % chance; null if decided or out of reach.")
    ] = None


class DropReason(StrEnum):
    """Why a cell was not measured to the end of its run."""

    RESOLVED = "resolved"
    PRECISE = "precise"
    OUT_OF_REACH = "out-of-reach"
    FAILED = "failed"


class Dropout(Struct, frozen=True, kw_only=True):
    """A cell that was not measured in the rounds after a look."""

    after_round: Annotated[Count, _says("The look: the last round that the cell was in.")]
    reason: Annotated[
        DropReason,
        _says(
            "resolved: every pair of it is decided; precise: its interval is narrow enough; out-of-reach: none of its "
            "undecided pairs was likely to be decided within the rounds left; failed: more rounds mend nothing."
        ),
    ]


class CellSummary(Struct, frozen=True, kw_only=True):
    """A cell's row."""

    cell: Annotated[str, _says("The cell's name.")]
    rank: Annotated[int | None, _says("1 + cells significantly better; null where not ranked.")]
    ties: Annotated[list[str], _says("Ranked cells that the data cannot tell from this one.")] = []
    requests_per_cpu_s: Annotated[Interval | None, _says("Requests per CPU-second of the server: req/s per vCPU.")]
    median_requests_per_cpu_s: Annotated[
        Interval | None, _says("Their median, with an interval between order statistics; no bounds below 6 windows.")
    ] = None
    throughput_rps: Annotated[Interval | None, _says("Requests per second of wall time.")]
    p50_s: Annotated[Interval | None, _says("Median response time.")]
    p90_s: Annotated[Interval | None, _says("90th percentile of the response time.")] = None
    p99_s: Annotated[Interval | None, _says("99th percentile, over windows of 1,000 requests or more.")]
    p999_s: Annotated[Interval | None, _says("99.9th percentile, over windows of 10,000 requests or more.")] = None
    knee: Annotated[Interval | None, _says("Highest step that held; null where there are no steps.")] = None
    sleeper_bytes: Annotated[Interval | None, _says("Private memory that each sleeper adds.")] = None
    requests: Annotated[Count, _says("Requests answered well, all windows.")]
    errors: Annotated[Count, _says("Requests that failed, all windows.")]
    server_utilisation: Annotated[float | None, _says("Server CPU time over its vCPUs' time.")]
    generator_utilisation: Annotated[float | None, _says("Generator CPU time over its cores' time.")]
    throttled: Annotated[float | None, _says("Share of the time in which its quota held the server back.")] = None
    foreign: Annotated[float | None, _says("Share of the server's cores that was used by anything else.")] = None
    steal: Annotated[float | None, _says("Share of the server's cores that the host took.")] = None
    dropout: Annotated[Dropout | None, _says("Null for a cell that was measured to the end of its run.")] = None
    verdict: Verdict
    doubts: Annotated[dict[str, str], _says("Every verdict that applies, each with what was seen and what to do.")]


class Spread(Struct, frozen=True, kw_only=True):
    """Where the values' spread comes from, as standard deviations of their logarithms (0.03: 3 %)."""

    rounds: Annotated[float, _says("What all cells of a round share.")]
    servers: Annotated[float, _says("What each fresh server and its window have of their own.")]


class Controls(Struct, frozen=True, kw_only=True):
    """What watched over the run. Shares are from 0 to 1."""

    same: Annotated[list[Pair], _says("Each control and the cell it is a copy of; they must not differ.")]
    canary_cpu_s: Annotated[Interval | None, _says("CPU time of the canary's fixed work, over rounds.")]
    canary_drift: Annotated[
        float | None, _says("Largest over smallest of the canary's running medians of three rounds, less 1.")
    ]
    steal: Annotated[float | None, _says("Share of the machine's CPU time that the host took, over windows.")]
    foreign: Annotated[float | None, _says("Share of the server's cores used by neither server nor host.")]
    load_average_max: Annotated[float | None, _says("Highest load average before a window or a canary.")]
    throttled: Annotated[float | None, _says("Share of the windows' time in which quotas held servers back.")]
    generator_utilisation_max: Annotated[float | None, _says("Highest share of its cores the generator used.")]
    generator_waited: Annotated[float | None, _says("Share of the time that the generator was ready and had no core.")]
    warnings: Annotated[dict[Verdict, str], _says("What makes the whole run doubtful, with what to do.")] = {}


class Summary(Struct, frozen=True, kw_only=True):
    """What a run's windows amount to (``summary.json``)."""

    schema_version: Annotated[int, _says("Version of these records.")] = SCHEMA_VERSION
    run: Annotated[str, _says("The run's id.")]
    cells: list[CellSummary]
    pairs: Annotated[list[Pair], _says("Every pair of cells without a doubt, as decided at the run's looks.")] = []
    spread: Annotated[Spread | None, _says("Null where it cannot be told.")] = None
    controls: Annotated[Controls | None, _says("Null in files from before there were any.")] = None


class _Versioned(Struct):
    schema_version: int = SCHEMA_VERSION


def decode(text: bytes | str, kind: type[Any], *, source: str) -> Any:  # noqa: ANN401 -- as msgspec.json.decode
    """The record in ``text``; ``UsageError`` names ``source`` and the field, or the schema version, that is wrong."""
    try:
        _refuse_version(msgspec.json.decode(text, type=_Versioned).schema_version, source)
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise UsageError(
            f"{source} is not a {kind.__name__} record of schema version {SCHEMA_VERSION}: {error}"
        ) from error


def _refuse_version(version: int, source: str) -> None:
    if not OLDEST_SCHEMA_VERSION <= version <= SCHEMA_VERSION:
        raise UsageError(
            f"{source} is of schema version {version}. "
            f"Accepted: {OLDEST_SCHEMA_VERSION} to {SCHEMA_VERSION}; read it with the revision that wrote it."
        )
