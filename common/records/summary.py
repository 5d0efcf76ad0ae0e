"""What a run comes to (``summary.json``): estimates with their intervals, decisions about pairs, verdicts."""

from enum import StrEnum
from typing import Annotated

from msgspec import Struct

from common.records.schema import SCHEMA_VERSION, Count, says


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
    low: Annotated[float | None, says("Null with fewer than two windows.")]
    high: Annotated[float | None, says("Null with fewer than two windows.")]
    n: Annotated[Count, says("Windows it stands on.")]


class Decision(StrEnum):
    """What the data say of two cells."""

    DIFFERENT = "different"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"


class Pair(Struct, frozen=True, kw_only=True):
    """Two cells, compared within the rounds that both have."""

    a: Annotated[str, says("A cell's name.")]
    b: Annotated[str, says("Another's.")]
    ratio: Annotated[Interval | None, says("Value of a over that of b; null without a round in common.")]
    p_value: Annotated[float, says("Of no difference, adjusted for all pairs and all looks.")]
    decision: Annotated[Decision, says("Different, equivalent within the run's margin, or undecided.")]
    rounds_needed: Annotated[
        int | None, says("Further rounds after which a decision has an 80 % chance; null if decided or out of reach.")
    ] = None


class DropReason(StrEnum):
    """Why a cell was not measured to the end of its run."""

    RESOLVED = "resolved"
    PRECISE = "precise"
    OUT_OF_REACH = "out-of-reach"
    FAILED = "failed"


class Dropout(Struct, frozen=True, kw_only=True):
    """A cell that was not measured in the rounds after a look."""

    after_round: Annotated[Count, says("The look: the last round that the cell was in.")]
    reason: Annotated[
        DropReason,
        says(
            "resolved: every pair of it is decided; precise: its interval is narrow enough; out-of-reach: none of its "
            "undecided pairs was likely to be decided within the rounds left; failed: more rounds mend nothing."
        ),
    ]


class CellSummary(Struct, frozen=True, kw_only=True):
    """A cell's row."""

    cell: Annotated[str, says("The cell's name.")]
    rank: Annotated[int | None, says("1 + cells significantly better; null where not ranked.")]
    ties: Annotated[list[str], says("Ranked cells that the data cannot tell from this one.")] = []
    requests_per_cpu_s: Annotated[Interval | None, says("Requests per CPU-second of the server: req/s per vCPU.")]
    median_requests_per_cpu_s: Annotated[
        Interval | None, says("Their median, with an interval between order statistics; no bounds below 6 windows.")
    ] = None
    throughput_rps: Annotated[Interval | None, says("Requests per second of wall time.")]
    p50_s: Annotated[Interval | None, says("Median response time.")]
    p90_s: Annotated[Interval | None, says("90th percentile of the response time.")] = None
    p99_s: Annotated[Interval | None, says("99th percentile, over windows of 1,000 requests or more.")]
    p999_s: Annotated[Interval | None, says("99.9th percentile, over windows of 10,000 requests or more.")] = None
    knee: Annotated[Interval | None, says("Highest step that held; null where there are no steps.")] = None
    sleeper_bytes: Annotated[Interval | None, says("Private memory that each sleeper adds.")] = None
    requests: Annotated[Count, says("Requests answered well, all windows.")]
    errors: Annotated[Count, says("Requests that failed, all windows.")]
    server_utilisation: Annotated[float | None, says("Server CPU time over its vCPUs' time.")]
    generator_utilisation: Annotated[float | None, says("Generator CPU time over its cores' time.")]
    throttled: Annotated[float | None, says("Share of the time in which its quota held the server back.")] = None
    foreign: Annotated[float | None, says("Share of the server's cores that was used by anything else.")] = None
    steal: Annotated[float | None, says("Share of the server's cores that the host took.")] = None
    dropout: Annotated[Dropout | None, says("Null for a cell that was measured to the end of its run.")] = None
    verdict: Verdict
    doubts: Annotated[dict[str, str], says("Every verdict that applies, each with what was seen and what to do.")]


class Spread(Struct, frozen=True, kw_only=True):
    """Where the values' spread comes from, as standard deviations of their logarithms (0.03: 3 %)."""

    rounds: Annotated[float, says("What all cells of a round share.")]
    servers: Annotated[float, says("What each fresh server and its window have of their own.")]


class Controls(Struct, frozen=True, kw_only=True):
    """What watched over the run. Shares are from 0 to 1."""

    same: Annotated[list[Pair], says("Each control and the cell it is a copy of; they must not differ.")]
    canary_cpu_s: Annotated[Interval | None, says("CPU time of the canary's fixed work, over rounds.")]
    canary_drift: Annotated[
        float | None, says("Largest over smallest of the canary's running medians of three rounds, less 1.")
    ]
    steal: Annotated[float | None, says("Share of the machine's CPU time that the host took, over windows.")]
    foreign: Annotated[float | None, says("Share of the server's cores used by neither server nor host.")]
    load_average_max: Annotated[float | None, says("Highest load average before a window or a canary.")]
    throttled: Annotated[float | None, says("Share of the windows' time in which quotas held servers back.")]
    generator_utilisation_max: Annotated[float | None, says("Highest share of its cores the generator used.")]
    generator_waited: Annotated[float | None, says("Share of the time that the generator was ready and had no core.")]
    warnings: Annotated[dict[Verdict, str], says("What makes the whole run doubtful, with what to do.")] = {}


class Summary(Struct, frozen=True, kw_only=True):
    """What a run's windows amount to (``summary.json``)."""

    schema_version: Annotated[int, says("Version of these records.")] = SCHEMA_VERSION
    run: Annotated[str, says("The run's id.")]
    cells: list[CellSummary]
    pairs: Annotated[list[Pair], says("Every pair of cells without a doubt, as decided at the run's looks.")] = []
    spread: Annotated[Spread | None, says("Null where it cannot be told.")] = None
    controls: Annotated[Controls | None, says("Null in files from before there were any.")] = None
