"""The results of a run (``summary.json``): estimates with intervals, decisions about pairs, verdicts."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct, field

from common.records.schema import Count, RunSummary, says


class Verdict(StrEnum):
    """The assessment of a cell's number. A cell is ranked only if its verdict is ``valid`` or ``throttled``."""

    VALID = "valid"
    NONCONFORMING = "nonconforming"
    NOT_MEASURED = "not-measured"
    SERVER_DIED = "server-died"
    RESTARTED = "restarted"
    WRONG_ANSWERS = "wrong-answers"
    CONNECTIONS = "connections"
    NOT_SATURATED = "not-saturated"
    NOT_WARM = "not-warm"
    GENERATOR_BOUND = "generator-bound"
    DATABASE_BOUND = "database-bound"
    WORKERS_CHANGED = "workers-changed"
    OBJECTIVE_MISSED = "objective-missed"
    OVERLOADED = "overloaded"
    SHARED_CORE = "shared-core"
    WALL_ONLY = "wall-only"
    OTHER_INTERPRETER = "other-interpreter"
    DISTURBED = "disturbed"
    CONTROL_DIFFERS = "control-differs"
    PAGE_CACHE = "page-cache"
    TOO_FEW_ROUNDS = "too-few-rounds"
    THROTTLED = "throttled"


class Interval(Struct, frozen=True, kw_only=True):
    """An estimate with its 95 % confidence interval."""

    estimate: float
    low: Annotated[float | None, says("Null where there are too few values for an interval.")]
    high: Annotated[float | None, says("Null where there are too few values for an interval.")]
    n: Annotated[Count, says("Number of values behind the estimate.")]

    def inverse(self, dividend: float = 1.0) -> "Interval":
        """Return the interval of ``dividend`` divided by what this one estimates; the bounds change places."""
        return Interval(
            estimate=dividend / self.estimate,
            low=None if self.high is None else dividend / self.high,
            high=None if self.low is None else dividend / self.low,
            n=self.n,
        )


class Component(Struct, frozen=True, kw_only=True):
    """A part of the variation of logarithms, such as that between runs: 0.01 is 1 %."""

    sd: Annotated[float, Meta(ge=0), says("Standard deviation of logarithms.")]
    freedom: Annotated[float, Meta(gt=0), says("Degrees of freedom that it is known by.")]


class BetweenRuns(Component, frozen=True, kw_only=True):
    """What a stack varies by from run to run, relative to the other stacks of its run."""

    sd: Annotated[float, Meta(gt=0, le=1), says("Standard deviation of logarithms.")]
    freedom: Annotated[float, Meta(ge=1), says("Degrees of freedom that it is known by.")]
    runs: Annotated[
        list[str], says("Ids of the earlier runs on this machine that it is estimated from; empty for the default.")
    ] = []


class Decision(StrEnum):
    """The conclusion about two cells."""

    DIFFERENT = "different"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"


class LimitDecision(StrEnum):
    """The conclusion about a limit on how much slower a cell may be than another."""

    SLOWER = "slower"
    NOT_SLOWER = "not-slower"
    UNDECIDED = "undecided"


class AgainstLimit(Struct, frozen=True, kw_only=True):
    """The comparison of two cells held against a limit."""

    limit: Annotated[float, says("Share of a's rate by which b may be slower: 0.03 is 3 %.")]
    decision: Annotated[
        LimitDecision, says("slower: b is slower than a by more than the limit; not-slower: it is not; or undecided.")
    ]
    change: Annotated[
        Interval,
        says(
            "How much more b serves than a, as a share; -0.05 is 5 % less. The bounds, which decide, hold at all looks "
            "together, or in finished runs for all pairs together."
        ),
    ]
    rounds_needed: Annotated[
        int | None, says("Additional rounds after which a decision is 80 % likely; null if decided or out of reach.")
    ] = None


class Pair(Struct, frozen=True, kw_only=True):
    """The comparison of two cells, within the rounds that both have."""

    a: Annotated[str, says("A cell's name.")]
    b: Annotated[str, says("Another cell's name.")]
    ratio: Annotated[
        Interval | None,
        says(
            "Value of a divided by that of b, with the interval that holds in other runs on this machine; null if they "
            "have no round in common."
        ),
    ]
    this_run: Annotated[
        Interval | None, says("The same with the interval of this run alone; null over several runs, in old records.")
    ] = None
    p_value: Annotated[float, says("P-value of the hypothesis of no difference, adjusted for all pairs and all looks.")]
    decision: Annotated[Decision, says("Different, equivalent within the run's margin, or undecided.")]
    rounds_needed: Annotated[
        int | None, says("Additional rounds after which a decision is 80 % likely; null if decided or out of reach.")
    ] = None
    against_limit: Annotated[
        AgainstLimit | None, says("The decision about FAIL_IF_SLOWER=; null without it, and in old records.")
    ] = None

    @property
    def is_undecided(self) -> bool:
        """Whether what was asked is still undecided: whether b is slower than the limit allows, if one was given."""
        if self.against_limit is not None:
            return self.against_limit.decision is LimitDecision.UNDECIDED
        return self.decision is Decision.UNDECIDED

    @property
    def rounds_left(self) -> int | None:
        """The additional rounds that are likely to decide it; ``None`` if it is decided or out of reach."""
        return self.rounds_needed if self.against_limit is None else self.against_limit.rounds_needed


class DropReason(StrEnum):
    """The reason why a cell was not measured to the end of its run."""

    RESOLVED = "resolved"
    PRECISE = "precise"
    OUT_OF_REACH = "out-of-reach"
    FAILED = "failed"


class Dropout(Struct, frozen=True, kw_only=True):
    """The round after which a cell dropped out of its run, and the reason."""

    after_round: Annotated[Count, says("Number of the look's round, the last one in which the cell was measured.")]
    reason: Annotated[
        DropReason,
        says(
            "resolved: all its pairs are decided; precise: its interval is narrow enough; out-of-reach: none of its "
            "undecided pairs was likely to be decided within the remaining rounds; failed: more rounds would not help."
        ),
    ]


class CellSummary(Struct, frozen=True, kw_only=True):
    """The results of a cell."""

    cell: Annotated[str, says("The cell's name.")]
    rank: Annotated[int | None, says("1 + the number of cells that are significantly better; null if not ranked.")]
    rank_to: Annotated[
        int | None, says("Number of ranked cells less those that are significantly worse: the last rank it may have.")
    ] = None
    ties: Annotated[list[str], says("Ranked cells that the data cannot tell apart from this one.")] = []
    requests_per_cpu_s: Annotated[
        Interval | None,
        says(
            "Correct answers per CPU-second of the server, shown as req/s per vCPU, adjusted for rounds that some "
            "cells missed. The interval holds in other runs on this machine, for differences between cells: in sliced "
            "runs, it leaves out what all cells of a round or a run share."
        ),
    ]
    this_run: Annotated[
        Interval | None, says("The same with the interval of this run alone; null over several runs, in old records.")
    ] = None
    error: Annotated[
        Component | None,
        says("Standard error of the logarithm within the run or, over several, within each of them; null if unknown."),
    ] = None
    over_floor_s: Annotated[
        Interval | None,
        says("CPU time of a request beyond a floor's on the same server, within rounds; null without such a floor."),
    ] = None
    median_requests_per_cpu_s: Annotated[
        Interval | None,
        says("Median of the same, with an interval between order statistics; no bounds below 6 windows."),
    ] = None
    throughput_rps: Annotated[Interval | None, says("Requests per second of wall time.")]
    p50_s: Annotated[Interval | None, says("Median response time.")]
    p90_s: Annotated[Interval | None, says("90th percentile of the response time.")] = None
    p99_s: Annotated[Interval | None, says("99th percentile, over windows with at least 1,000 requests.")]
    p999_s: Annotated[Interval | None, says("99.9th percentile, over windows with at least 10,000 requests.")] = None
    knee: Annotated[
        Interval | None, says("Highest target that held its objective; null if the scenario has no steps.")
    ] = None
    sleeper_bytes: Annotated[Interval | None, says("Private memory added by each sleeper.")] = None
    requests: Annotated[Count, says("Correct answers in all windows.")]
    errors: Annotated[Count, says("Failed requests in all windows.")]
    server_utilisation: Annotated[float | None, says("Server CPU time as a share of its vCPUs' time.")]
    generator_utilisation: Annotated[
        float | None, says("Generator CPU time as a share of the time of the cores that it can use.")
    ]
    database_s: Annotated[
        Interval | None, says("CPU time of the database for a request, not counted as the server's; null if unknown.")
    ] = None
    database_utilisation: Annotated[
        float | None, says("CPU time of the database as a share of the time of the generator's cores, where it runs.")
    ] = None
    throttled: Annotated[float | None, says("Share of the time in which the CPU quota throttled the server.")] = None
    foreign: Annotated[float | None, says("Share of the server's cores used by other programs on this machine.")] = None
    steal: Annotated[float | None, says("Share of the server's cores that the hypervisor took (steal).")] = None
    windows_discarded: Annotated[
        Count, says("Windows that were made again because something kept the generator from its core.")
    ] = 0
    slices: Annotated[Count | None, says("Slices of all windows; null in other designs.")] = None
    slices_disturbed: Annotated[
        Count | None, says("How many of them were disturbed and made again; null in other designs.")
    ] = None
    until_warm_s: Annotated[
        Interval | None, says("Load on a fresh server until its rate no longer rose; null if it was not observed.")
    ] = None
    until_warm_requests: Annotated[Interval | None, says("Responses received by then.")] = None
    idle_cpu_share: Annotated[
        float | None, says("CPU time a second that its servers used while others were loaded; null if unknown.")
    ] = None
    dropout: Annotated[
        Dropout | None, says("When and why the cell dropped out; null if it was measured to the end of the run.")
    ] = None
    verdict: Verdict
    doubts: Annotated[dict[str, str], says("Every verdict that applies, each with the observation and the remedy.")]


class Spread(Struct, frozen=True, kw_only=True):
    """The sources of the values' spread, as standard deviations of their logarithms (0.03 is 3 %)."""

    rounds: Annotated[float, says("Spread between rounds, shared by all cells of a round.")]
    servers: Annotated[float, says("Spread between fresh servers and their windows.")]


class Controls(Struct, frozen=True, kw_only=True):
    """The controls that watched over the run. Shares are from 0 to 1."""

    same: Annotated[
        list[Pair], says("Each control paired with the cell of which it is a copy; the two must not differ.")
    ]
    steal: Annotated[
        float | None, says("Share of the machine's CPU time that the hypervisor took (steal), over windows.")
    ]
    foreign: Annotated[float | None, says("Share of the server's cores used by other programs on this machine.")]
    load_average_max: Annotated[float | None, says("Highest load average of the minute before a window.")]
    throttled: Annotated[float | None, says("Share of the windows' time in which CPU quotas throttled servers.")]
    generator_utilisation_max: Annotated[
        float | None,
        says("Largest share in a window: generator CPU time as a share of the time of the cores that it can use."),
    ]
    generator_waited: Annotated[
        float | None, says("Share of the time in which the generator was runnable and waited for a core.")
    ]
    warnings: Annotated[
        dict[Verdict, str], says("Verdicts on the whole run, each with the observation and the remedy.")
    ] = {}


class Summary(RunSummary, frozen=True, kw_only=True):
    """The results of a run (``summary.json``)."""

    cells: list[CellSummary]
    pairs: Annotated[
        list[Pair], says("Every pair of cells that are free of doubts, as decided at the run's looks.")
    ] = field(default_factory=list)
    between_runs: Annotated[
        BetweenRuns | None,
        says("What intervals, decisions and ranks take a cell to vary by; null in comparisons and in old records."),
    ] = None
    spread: Annotated[Spread | None, says("Null if the data do not allow an estimate.")] = None
    controls: Annotated[Controls | None, says("Null in records from before controls existed.")] = None
