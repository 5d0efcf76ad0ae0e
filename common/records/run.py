"""A run's manifest (``run.json``): what is measured, on what, how."""

from datetime import datetime
from typing import Annotated

from msgspec import Struct

from common.records.schema import SCHEMA_VERSION, Count, Seconds, says


class Machine(Struct, frozen=True, kw_only=True):
    """The machine that a run was made on."""

    cpu_model: Annotated[str, says("Processor, as the kernel names it.")]
    cores: Annotated[Count, says("Cores that this process may use.")]
    memory_bytes: Annotated[Count, says("Physical memory.")]
    kernel: Annotated[str, says("Kernel release.")]
    cgroup_version: Annotated[int, says("Control groups: 1 or 2.")]
    python: Annotated[str, says("Python that ran the harness.")]
    architecture: Annotated[str | None, says("As the kernel names it; null in records of before.")] = None
    docker: Annotated[str | None, says("Engine version and storage driver; null where none was used.")] = None
    governor: Annotated[str | None, says("The kernel's frequency governor; null where it cannot be read.")] = None


class Conformance(Struct, frozen=True, kw_only=True):
    """What the conformance suite said of a stack."""

    passed: Annotated[Count, says("Tests that passed.")]
    failed: Annotated[dict[str, str], says("Tests that failed, each with what was seen.")] = {}
    duration_s: Annotated[Seconds, says("How long the suite took.")]
    divergences: Annotated[dict[str, str], says("What the stack does where the contract is silent.")] = {}


class Cell(Struct, frozen=True, kw_only=True):
    """What gets one number: a stack, where it runs, how large, under which load."""

    name: Annotated[str, says("Unique in its run.")]
    framework: Annotated[str, says("Folder under frameworks/.")]
    title: Annotated[str, says("What its makers call it.")]
    version: Annotated[str | None, says("Version read back from the environment or image; null for a floor.")]
    interface: Annotated[str, says("wsgi, asgi or native.")]
    server: Annotated[str, says("Server set-up.")]
    server_packages: Annotated[list[str], says("The server's pinned packages.")]
    lock_sha256: Annotated[str, says("Digest of the framework's lock.")]
    keep_alive: Annotated[bool, says("Whether a connection serves more than one request.")]
    packages: Annotated[dict[str, str], says("What is installed, by its version, read back.")] = {}
    command: Annotated[list[str], says("The server's command line, without host, port and workers.")] = []
    source_digest: Annotated[str | None, says("Of the files in the framework's folder; null in older files.")] = None
    image: Annotated[str | None, says("fat, slim or alpine; null in the process runtime.")] = None
    image_tag: Annotated[str | None, says("Name of the image that ran.")] = None
    image_id: Annotated[str | None, says("Digest of the image that ran.")] = None
    base: Annotated[str | None, says("Name of the image that it was built on; null without one.")] = None
    base_digest: Annotated[
        str | None,
        says("Digest of that image, as at its build: of its registry, else the engine's; null if not known."),
    ] = None
    stand_in_base: Annotated[bool, says("Whether the image stands on a locally made stand-in base.")] = False
    python: Annotated[str, says("Python that ran the stack.")]
    python_asked: Annotated[str | None, says("Python asked for, as images are named by it; null without one.")] = None
    conformance: Annotated[Conformance | None, says("Null where the suite could not be run.")] = None
    control_of: Annotated[
        str | None, says("The cell that this one is a second copy of: the two must tie. Null for all but controls.")
    ] = None


class Ceiling(Struct, frozen=True, kw_only=True):
    """What the generator reached against a server that does nothing but answer, just before the run."""

    requests: Annotated[Count, says("Requests answered.")]
    duration_s: Annotated[Seconds, says("How long it took.")]
    generator_cpu_s: Annotated[Seconds, says("CPU time of the generator.")]
    requests_per_cpu_s: Annotated[float, says("Requests per second of the generator's CPU time: what a core can do.")]


class Run(Struct, frozen=True, kw_only=True):
    """One invocation (``run.json``), written before its first window."""

    schema_version: Annotated[int, says("Version of these records.")] = SCHEMA_VERSION
    id: Annotated[str, says("Names the results folder.")]
    started_at: Annotated[datetime, says("UTC.")]
    revision: Annotated[str | None, says("Commit of this project, with +dirty where files had changed.")]
    command_line: Annotated[list[str], says("How the run was called, and then how it was resumed each time.")]
    seed: Annotated[int, says("Seed of the order of cells within rounds.")]
    design: Annotated[str, says("rounds: all cells shuffled; duet: two at once; alternation: two in turn; visits.")] = (
        "rounds"
    )
    rounds: Annotated[Count, says("The most rounds that are made.")]
    fewest_rounds: Annotated[Count, says("Rounds that are made even where the budget is spent.")] = 1
    looks: Annotated[list[int], says("Rounds after which resolved cells drop out; empty: exactly `rounds`.")] = []
    budget_s: Annotated[float | None, says("Time for windows, after which no round begins; null: none.")] = None
    precision: Annotated[
        float | None, says("Half-width of an interval, relative, at which its cell drops out; null: none.")
    ] = None
    runtime: Annotated[str, says("process, docker or fargate.")]
    scenario: Annotated[str, says("Locust workload.")]
    users: Annotated[Count, says("Locust users, each one connection.")]
    delay_ms: Annotated[Count, says("What the scenarios that sleep ask for.")]
    vcpu: Annotated[float, says("vCPUs given to each stack.")]
    memory_bytes: Annotated[int | None, says("Memory limit; null where there is none.")]
    server_cores: Annotated[list[int], says("Cores the server is pinned to.")]
    generator_cores: Annotated[list[int], says("Cores the load generator is pinned to.")]
    warmup_s: Annotated[Seconds, says("Load before each window, not counted.")]
    window_s: Annotated[Seconds, says("Length of each window asked for.")]
    tool: Annotated[str, says("What made the load: locust or wrk.")] = "locust"
    workers: Annotated[Count, says("Locust's worker processes; 0 for one process that does it all.")] = 0
    rate: Annotated[str | None, says("Rate of an open loop as asked for: per second, or % of capacity.")] = None
    load_path: Annotated[
        str,
        says("How the load reached the server: loopback, network namespace, host network, to AWS, between two tasks."),
    ]
    arrivals: Annotated[str | None, says("How the arrivals of an open loop follow each other.")] = None
    objective: Annotated[str | None, says("What each step of ramp or sleepers must hold.")] = None
    ceiling: Annotated[Ceiling | None, says("The generator's own limit; null where it was not measured.")] = None
    machine: Machine
    cells: list[Cell]
    sides: Annotated[list[str], says("What A= and B= named in a comparison; empty otherwise.")] = []
    server_asked: Annotated[str, says("SERVER= of a comparison, for a side that names none.")] = "default"
    margin: Annotated[float, says("Ratios of cells within 1 + margin of each other, either way, are equivalent.")] = (
        0.05
    )
