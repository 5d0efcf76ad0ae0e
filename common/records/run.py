"""A run's manifest (``run.json``): what is measured, on which machine, how. Written before the first visit."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeGuard

from msgspec import Meta, Struct

from common.catalog.frameworks import LOCAL, App, Interface
from common.catalog.sizes import Runtime
from common.records.load import Setup
from common.records.schema import SCHEMA_VERSION, Count, Seconds, says
from common.records.summary import BetweenRuns

SECOND_TASK_PATH = "the network between two tasks in the same subnets"
"""The load path of a server in one Fargate task that is loaded from another."""


class Machine(Struct, frozen=True, kw_only=True):
    """The machine on which a run was measured."""

    cpu_model: Annotated[str, says("Model of the processor, as the kernel names it.")]
    cpu_identity: Annotated[
        str | None,
        says(
            "Vendor, family, model and stepping of the processor; on Arm its implementer, variant, part and revision. "
            "A hypervisor may give different processors the same name. Null if unknown, and in old records."
        ),
    ] = None
    cores: Annotated[Count, says("Number of the machine's cores; in old records, of those that the command could use.")]
    memory_bytes: Annotated[Count, says("Physical memory.")]
    kernel: Annotated[str, says("Kernel release.")]
    cgroup_version: Annotated[int, says("Version of control groups: 1 or 2.")]
    python: Annotated[str, says("Python that ran the harness.")]
    architecture: Annotated[str | None, says("As the kernel names it; null in old records.")] = None
    docker: Annotated[str | None, says("Docker engine version and storage driver; null if no engine was used.")] = None
    governor: Annotated[str | None, says("CPU frequency governor; null if it cannot be read.")] = None
    thread_siblings: Annotated[
        list[list[int]],
        says("Cores by physical core, as far as a virtual machine shows it; empty in old records."),
    ] = []
    irq_time_accounting: Annotated[
        bool | None, says("Whether the kernel counts interrupts apart from tasks; null if unknown.")
    ] = None
    python_pgo: Annotated[
        bool | None,
        says("Whether the Python that ran the harness was built with profile-guided optimisation; null if unknown."),
    ] = None
    python_lto: Annotated[
        bool | None,
        says("Whether the Python that ran the harness was built with link-time optimisation; null if unknown."),
    ] = None

    @property
    def processor(self) -> str:
        """The name of the processor, and what distinguishes it from others of that name."""
        return self.cpu_model if self.cpu_identity is None else f"{self.cpu_model} ({self.cpu_identity})"


class WorkerState(Struct, frozen=True, kw_only=True):
    """What a Python process of a server said of itself while the server was answering requests."""

    gil: Annotated[bool, says("Whether its global interpreter lock was on.")]
    jit: Annotated[bool, says("Whether its JIT was on.")]


class Behaviour(StrEnum):
    """A behaviour that the contract leaves to the stack: it keeps connections open; concurrent sleeps overlap."""

    KEEP_ALIVE = "keep-alive"
    OVERLAP = "overlap"


class YesOrNo(StrEnum):
    """Whether a stack was observed to have a behaviour."""

    YES = "yes"
    NO = "no"


class Conformance(Struct, frozen=True, kw_only=True):
    """The result of the conformance suite for a stack."""

    passed: Annotated[Count, says("Number of tests that passed.")]
    failed: Annotated[dict[str, str], says("Tests that failed, each with what was observed.")] = {}
    deviations: Annotated[
        dict[str, str], says("Tests that failed as the framework's folder declares, each with the reason; not judged.")
    ] = {}
    duration_s: Annotated[Seconds, says("Duration of the suite.")]
    observed: Annotated[dict[Behaviour, YesOrNo], says("What was observed rather than declared.")] = {}
    divergences: Annotated[
        dict[str, str], says("Behaviour of the stack where the contract leaves it free, by request or property.")
    ] = {}
    workers: Annotated[
        list[WorkerState],
        says(
            "The server's Python processes as they described themselves during the suite. Only free-threaded builds "
            "and those with their JIT switched on are asked, from Python 3.14 on."
        ),
    ] = []
    gil_enabled_by: Annotated[
        list[str],
        says("Extension modules for which a free-threaded build switched the GIL on, by the server's output."),
    ] = []


class Guest(Struct, frozen=True, kw_only=True):
    """A server of the user's own that is measured like a stack: an image to run, or a server that is already up."""

    image: Annotated[str | None, says("Name of the image that is run; null for a server that is already up.")] = None
    port: Annotated[int, Meta(ge=1, le=65535), says("Port on which the image's server listens.")] = 8000
    capabilities: Annotated[
        str, says("Capabilities of the image's container, joined by commas; `default` for Docker's own.")
    ] = "default"
    url: Annotated[str | None, says("Base URL of the server that is already up; null for an image.")] = None
    meter: Annotated[
        str | None, says("What the CPU time of the server at that URL is read from; null if it is not known.")
    ] = None

    @property
    def name(self) -> str:
        """Its name in tables and messages."""
        return self.image or self.url or ""


class Cell(Struct, frozen=True, kw_only=True):
    """The unit that gets one number: a stack, with versions read back from what ran, and the image it ran in."""

    name: Annotated[str, says("Name, unique in its run.")]
    framework: Annotated[str, says("Name of the folder under frameworks/.")]
    title: Annotated[str, says("The framework's name as its makers write it.")]
    version: Annotated[str | None, says("Framework version as read from the environment or image; null for a floor.")]
    interface: Annotated[Interface, says("Between framework and server.")]
    server: Annotated[str, says("Name of the server.")]
    server_packages: Annotated[list[str], says("Pinned packages of the server.")]
    lock_sha256: Annotated[str, says("SHA-256 digest of the framework's lock.")]
    keep_alive: Annotated[bool, says("Whether a connection serves more than one request.")]
    packages: Annotated[dict[str, str], says("Installed packages and their versions, read back.")] = {}
    compiled: Annotated[
        list[str], says("Packages that had no wheel for this Python and were compiled here, as name==version.")
    ] = []
    command: Annotated[list[str], says("Command line of the server, without host, port and workers.")] = []
    source_digest: Annotated[str | None, says("Digest of the framework's folder; null in old records.")] = None
    image: Annotated[str | None, says("Base image, a row of docker/bases.toml; null in the process runtime.")] = None
    image_tag: Annotated[str | None, says("Tag of the image that ran.")] = None
    image_id: Annotated[str | None, says("Digest of the image that ran.")] = None
    image_bytes: Annotated[
        Count | None, says("Size of all layers of the image that ran, uncompressed; null without one.")
    ] = None
    base: Annotated[str | None, says("Name of the base image; null without one.")] = None
    base_digest: Annotated[
        str | None,
        says("Digest of the base image at build time: the registry's, else the engine's; null if unknown."),
    ] = None
    stand_in_base: Annotated[bool, says("Whether the base image is a locally made stand-in.")] = False
    base_configured: Annotated[
        str | None, says("Options that the base image's Python was configured with; null if it was not compiled here.")
    ] = None
    python: Annotated[str, says("Python that ran the stack.")]
    python_asked: Annotated[str | None, says("Python requested, which names the image; null without one.")] = None
    conformance: Annotated[Conformance | None, says("Outcome of the conformance suite; null if it did not run.")] = None
    control_of: Annotated[
        str | None,
        says("For a control, the cell of which it is a second copy (the two must tie); null for all others."),
    ] = None
    guest: Annotated[Guest | None, says("The server of the user's own; null for a stack of this project.")] = None
    app: Annotated[App, says("The app of the framework's folder that it served.")] = App.APP
    additions: Annotated[list[str], says("What `make extras` added to that app; empty for other apps.")] = []

    @property
    def is_floor(self) -> bool:
        """Whether it is a bare app without a framework, which has no version to show."""
        return self.version is None and self.guest is None

    @property
    def is_local(self) -> bool:
        """Whether its framework is in a folder of the user's own, which its name alone does not locate."""
        return self.framework.endswith(LOCAL)


class Run(Struct, frozen=True, kw_only=True, tag_field="experiment"):
    """One invocation: the fields that every experiment's manifest begins with."""

    schema_version: Annotated[int, says("Schema version of this record.")] = SCHEMA_VERSION
    manifest_sha256: Annotated[
        str | None,
        says("SHA-256 digest of this file with an empty string in its place; null in old records."),
    ] = None
    id: Annotated[str, says("Id of the run and name of its results folder.")]
    started_at: Annotated[datetime, says("Start time, UTC.")]
    revision: Annotated[str | None, says("Commit of this project, with +dirty if files had uncommitted changes.")]
    command_line: Annotated[list[str], says("How the run was called, and how it was resumed each time.")]
    seed: Annotated[int, says("Seed of the random order of cells within rounds.")]
    rounds: Annotated[int, Meta(ge=0, le=1000), says("Maximum number of rounds.")]
    runtime: Annotated[Runtime, says("How the stacks are brought up.")]
    machine: Machine


class Design(StrEnum):
    """The way in which the cells of a round are measured.

    ``sliced``: all fresh servers of a round up at once and loaded in turn, in short slices; ``alone``: one fresh server
    after the other, in shuffled order; ``duet``: two servers loaded at once on the same cores; ``alternation``: two in
    turn.
    """

    SLICED = "sliced"
    ALONE = "alone"
    DUET = "duet"
    ALTERNATION = "alternation"


class Slicing(Struct, frozen=True, kw_only=True):
    """The turns that the servers of a round take in the sliced design."""

    passes: Annotated[Count, says("Slices of each server that are to count.")]
    most_passes: Annotated[Count, says("Most slices of each server, those made again included.")]
    slice_s: Annotated[Seconds, says("Length of the load of a slice.")]
    skipped_s: Annotated[
        Seconds,
        says(
            "How much at the beginning of a slice is not counted. The slices of a server that answers fewer than 64 "
            "requests in the rest of one are counted from the first request to the last response, and are fewer."
        ),
    ]


class Stopping(Struct, frozen=True, kw_only=True):
    """The rule that ends a load test."""

    fewest_rounds: Annotated[Count, says("Minimum number of rounds, even if the budget is spent.")] = 1
    looks: Annotated[
        list[int], says("Rounds after which resolved cells drop out; empty if every cell is measured for all `rounds`.")
    ] = []
    budget_s: Annotated[float | None, says("Time budget for windows, after which no round begins; null for none.")] = (
        None
    )
    precision: Annotated[
        float | None, says("Relative half-width of an interval at which its cell drops out; null: none.")
    ] = None
    margin: Annotated[
        float,
        Meta(ge=0),
        says("Margin of equivalence: cells whose ratio is between 1 / (1 + margin) and 1 + margin are equivalent."),
    ] = 0.05


class LoadRun(Run, frozen=True, kw_only=True, tag="loadtest"):
    """A load test: every cell in every round on a fresh server."""

    design: Design = Design.ALONE
    slicing: Annotated[Slicing | None, says("How servers take turns; null unless the design is sliced.")] = None
    stopping: Stopping
    setup: Setup
    cells: list[Cell]
    unavailable: Annotated[
        dict[str, str], says("Stacks that were asked for and cannot be brought up, each with the reason.")
    ] = {}
    between_runs: Annotated[
        BetweenRuns | None,
        says(
            "What was known of variation from run to run when this one began, by which stacks dropped out; null in "
            "comparisons and in old records, whose stacks dropped out by what that run showed alone."
        ),
    ] = None


class HistoryRun(LoadRun, frozen=True, kw_only=True, tag="history"):
    """A load test of the versions of one framework."""

    title: Annotated[str, says("The framework's name as its makers write it.")]
    versions: Annotated[
        dict[str, str],
        says("The versions by the names of their cells, oldest first, including those that are not available."),
    ]


class Origin(Struct, frozen=True, kw_only=True):
    """What a side of a comparison was built from; without any, its versions are from a package index."""

    commit: Annotated[
        str | None, says("Abbreviated commit and first line of its message; null for what is in no git repository.")
    ] = None
    dirty: Annotated[bool, says("Whether files had changes that were not committed.")] = False
    wheel: Annotated[
        str | None, says("File name of the wheel that was named, or built from a checkout; null without one.")
    ] = None
    compiled: Annotated[bool, says("Whether that wheel holds compiled code.")] = False


class CompareRun(LoadRun, frozen=True, kw_only=True, tag="compare"):
    """A comparison of two cells."""

    sides: Annotated[list[str], says("What A= and B= named.")] = []
    origins: Annotated[
        list[Origin], says("What each side was built from, in the order of `sides`; empty in old records.")
    ] = []
    server_asked: Annotated[str, says("SERVER= of the comparison, for a side that names none.")] = "default"
    fail_if_slower: Annotated[
        float | None,
        says(
            "FAIL_IF_SLOWER= as a share: the run goes on until B is known to be slower than A by more, in which case "
            "the command fails, or not to be; null for no limit."
        ),
    ] = None
    comparisons: Annotated[
        Count, says("Comparisons that share the level of 5 %: those of a search by `make bisect`, or this one alone.")
    ] = 1


class CrosscheckRun(LoadRun, frozen=True, kw_only=True, tag="crosscheck"):
    """One stack measured by our generator and by wrk in turn, on the same fresh server; a cell for each tool."""

    turns: Annotated[Count, says("Windows that each tool makes on the server of a round.")] = 1


def is_load_test(run: Run) -> TypeGuard[LoadRun]:
    """Return whether a run compares all its stacks with each other, so that their ranks can be shown."""
    return type(run) in {LoadRun, HistoryRun}
