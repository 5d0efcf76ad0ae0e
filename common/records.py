"""What is written down: a run's manifest, its windows, its summary. Times are seconds, sizes bytes, rates per second.

Each field's meaning stands beside it; ``loadtests/RECORDS.md`` is generated from here.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from common.errors import UsageError

SCHEMA_VERSION = 1


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
    docker: Annotated[str | None, _says("Engine version and storage driver; null where none was used.")] = None


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
    version: Annotated[str | None, _says("Version in the framework's lock; null for a floor.")]
    interface: Annotated[str, _says("wsgi, asgi or native.")]
    server: Annotated[str, _says("Server set-up.")]
    server_packages: Annotated[list[str], _says("The server's pinned packages.")]
    lock_sha256: Annotated[str, _says("Digest of the framework's lock.")]
    keep_alive: Annotated[bool, _says("Whether a connection serves more than one request.")]
    image: Annotated[str | None, _says("fat, slim or alpine; null in the process runtime.")] = None
    image_id: Annotated[str | None, _says("Digest of the image that ran.")] = None
    stand_in_base: Annotated[bool, _says("Whether the image stands on a locally made stand-in base.")] = False
    python: Annotated[str, _says("Python that ran the stack.")]
    conformance: Annotated[Conformance | None, _says("Null where the suite could not be run.")] = None


class Run(Struct, frozen=True, kw_only=True):
    """One invocation (``run.json``), written before its first window."""

    schema_version: Annotated[int, _says("Version of these records.")] = SCHEMA_VERSION
    id: Annotated[str, _says("Names the results folder.")]
    started_at: Annotated[datetime, _says("UTC.")]
    revision: Annotated[str | None, _says("Commit of this project, with +dirty where files had changed.")]
    command_line: Annotated[list[str], _says("How the run was called.")]
    seed: Annotated[int, _says("Seed of the order of cells within rounds.")]
    rounds: Annotated[Count, _says("Complete rounds planned.")]
    runtime: Annotated[str, _says("process or docker.")]
    scenario: Annotated[str, _says("Locust workload.")]
    users: Annotated[Count, _says("Locust users, each one connection.")]
    delay_ms: Annotated[Count, _says("What the scenarios that sleep ask for.")]
    vcpu: Annotated[float, _says("vCPUs given to each stack.")]
    memory_bytes: Annotated[int | None, _says("Memory limit; null where there is none.")]
    server_cores: Annotated[list[int], _says("Cores the server is pinned to.")]
    generator_cores: Annotated[list[int], _says("Cores the load generator is pinned to.")]
    warmup_s: Annotated[Seconds, _says("Load before each window, not counted.")]
    window_s: Annotated[Seconds, _says("Length of each window asked for.")]
    load_path: Annotated[str, _says("How the load reached the server: loopback, network namespace or host network.")]
    machine: Machine
    cells: list[Cell]


class Latency(Struct, frozen=True, kw_only=True):
    """Response times of the good answers in seconds; percentiles and mean to 0.4 %, the maximum exact."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float
    mean: float


class Load(Struct, frozen=True, kw_only=True):
    """What the generator saw in one window."""

    duration_s: Annotated[Seconds, _says("The window's length as timed.")]
    users: Annotated[Count, _says("Locust users, each one connection.")]
    sent: Annotated[Count, _says("Requests begun, those included that no connection could be opened for.")]
    answered: Annotated[Count, _says("Whole answers received, right or wrong.")]
    requests: Annotated[Count, _says("Right answers, status and whole body: the requests that count.")]
    failures: Annotated[dict[str, int], _says("Requests that failed, counted by reason.")]
    in_flight: Annotated[Count, _says("Requests that were out when the window ended: neither answered nor failed.")]
    connections_open_min: Annotated[Count, _says("Fewest connections open at once, looked at every 10 ms.")]
    reconnects: Annotated[Count, _says("Connections opened anew.")]
    latency_s: Annotated[Latency | None, _says("Null where nothing was answered well.")]
    histogram: Annotated[list[tuple[int, int]], _says("Pairs of bucket (see loadtests/histogram.py) and count.")]
    server_cpu_s: Annotated[float | None, _says("CPU time of the server in the window; null once it is gone.")]
    throttled_s: Annotated[float | None, _says("Time the server was held back by its quota; null without one.")]
    throttled_periods: Annotated[int | None, _says("Periods in which that happened.")]
    generator_cpu_s: Annotated[Seconds, _says("CPU time of the generator.")]
    generator_run_delay_s: Annotated[Seconds, _says("Time the generator's main thread was ready and had no core.")]
    steal_s: Annotated[Seconds, _says("Time the host took from the generator's cores.")]
    steal_all_s: Annotated[Seconds, _says("Time the host took from all cores.")]
    littles_law_ratio: Annotated[float, _says("Throughput x mean response time / users: 1 in a closed loop.")]
    server_gone: Annotated[str | None, _says("How the server was lost; null where it was not.")] = None


class Window(Struct, frozen=True, kw_only=True):
    """One fresh server's window: a line of ``windows.jsonl``. One window gives one value."""

    run: Annotated[str, _says("The run's id.")]
    round: Annotated[Count, _says("Round, from 1.")]
    position: Annotated[Count, _says("Place in the round's order, from 1.")]
    cell: Annotated[str, _says("The cell's name.")]
    started_at: Annotated[datetime, _says("UTC.")]
    load: Annotated[Load | None, _says("Null where the window could not be made.")] = None
    error: Annotated[str | None, _says("Why the window could not be made, or how the server ended in it.")] = None


class Verdict(StrEnum):
    """What is thought of a cell's number. Any but ``valid`` is shown and not ranked."""

    VALID = "valid"
    NONCONFORMING = "nonconforming"
    NOT_MEASURED = "not-measured"
    SERVER_DIED = "server-died"
    WRONG_ANSWERS = "wrong-answers"
    CONNECTIONS = "connections"
    GENERATOR_BOUND = "generator-bound"
    SHARED_CORE = "shared-core"
    TOO_FEW_ROUNDS = "too-few-rounds"


class Interval(Struct, frozen=True, kw_only=True):
    """An estimate with its 95 % confidence interval over windows."""

    estimate: float
    low: Annotated[float | None, _says("Null with fewer than two windows.")]
    high: Annotated[float | None, _says("Null with fewer than two windows.")]
    n: Annotated[Count, _says("Windows it stands on.")]


class CellSummary(Struct, frozen=True, kw_only=True):
    """A cell's row."""

    cell: Annotated[str, _says("The cell's name.")]
    rank: Annotated[int | None, _says("1 + cells significantly better; equal ranks are ties; null where not ranked.")]
    requests_per_cpu_s: Annotated[Interval | None, _says("Requests per CPU-second of the server: req/s per vCPU.")]
    throughput_rps: Annotated[Interval | None, _says("Requests per second of wall time.")]
    p50_s: Annotated[Interval | None, _says("Median response time in this closed loop.")]
    p99_s: Annotated[Interval | None, _says("99th percentile of the response time in this closed loop.")]
    requests: Annotated[Count, _says("Requests answered well, all windows.")]
    errors: Annotated[Count, _says("Requests that failed, all windows.")]
    server_utilisation: Annotated[float | None, _says("Server CPU time over its vCPUs' time.")]
    generator_utilisation: Annotated[float | None, _says("Generator CPU time over its cores' time.")]
    verdict: Verdict
    doubts: Annotated[dict[str, str], _says("Every verdict that applies, each with what was seen and what to do.")]


class Summary(Struct, frozen=True, kw_only=True):
    """What a run's windows amount to (``summary.json``)."""

    schema_version: Annotated[int, _says("Version of these records.")] = SCHEMA_VERSION
    run: Annotated[str, _says("The run's id.")]
    cells: list[CellSummary]


def decode(text: bytes | str, kind: type[Any], *, source: str) -> Any:  # noqa: ANN401 -- as msgspec.json.decode
    """The record in ``text``; ``UsageError`` names ``source`` and the field that is wrong."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise UsageError(
            f"{source} is not a {kind.__name__} record of schema version {SCHEMA_VERSION}: {error}"
        ) from error
