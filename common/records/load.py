"""The load on a server: scenario, rate, objective, tool, resources and cores."""

import re
from enum import StrEnum
from typing import Annotated, Self

from msgspec import Meta, Struct
from msgspec.structs import replace

from common.catalog.sizes import Size
from common.contract import MAX_DELAY_MS
from common.errors import UsageError
from common.records.schema import Count, Seconds, says

MAX_RATE_RPS = 1_000_000
REDACTED = "(redacted)"
"""The word in a record for the value of a header, which may be a secret."""


class Tool(StrEnum):
    """The program that generates the load: our Locust users, or wrk as a second opinion."""

    LOCUST = "locust"
    WRK = "wrk"


class Arrivals(StrEnum):
    """The arrival process of an open loop: equal gaps, or a Poisson process."""

    CONSTANT = "constant"
    POISSON = "poisson"


class Rate(Struct, frozen=True, kw_only=True):
    """The arrival rate of an open loop: requests per second, or a share of the stack's own capacity."""

    rps: Annotated[float | None, says("Requests per second; null where a share was asked for.")] = None
    share: Annotated[float | None, says("Share of the stack's own capacity, 0 to 1; null for a rate.")] = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the rate that ``RATE=`` names, such as ``500`` or ``50%``; ``UsageError`` where it names none."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text.strip(), re.ASCII)
        value = float(found[1]) if found else 0.0
        if found and found[2] and 0 < value <= 100:  # noqa: PLR2004 -- per cent
            return cls(share=value / 100)
        if found and not found[2] and 0 < value <= MAX_RATE_RPS:
            return cls(rps=value)
        raise UsageError(
            f"invalid RATE={text}: must be requests per second, at most {MAX_RATE_RPS}, or a share of the stack's own "
            "capacity such as 50%."
        )

    def __str__(self) -> str:
        return f"{self.rps:.10g}" if self.share is None else f"{self.share * 100:g}%"


class Objective(Struct, frozen=True, kw_only=True):
    """The objective of every step of a climbing scenario: a percentile of the response time below a limit."""

    fraction: Annotated[float, says("The percentile as a fraction: 0.99 for p99.")]
    limit_s: Annotated[Seconds, says("The response time that it may not exceed.")]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the objective that ``OBJECTIVE=`` states, such as ``p99<50ms``; ``UsageError`` where it is invalid."""
        found = re.fullmatch(r"p(\d\d|9\d\d)\s*[<:]\s*(\d+(?:\.\d+)?)\s*(ms|s)", text.strip().casefold(), re.ASCII)
        if found is None or not int(found[1]) or not float(found[2]):
            raise UsageError(
                f"invalid OBJECTIVE={text}: must be a percentile and a limit, such as p99<50ms, p999:0.2s or p50<5ms. "
                "p999 is 99.9 %; only percentiles that begin with 9 have a third digit."
            )
        return cls(
            fraction=int(found[1]) / 10 ** len(found[1]), limit_s=float(found[2]) / (1000 if found[3] == "ms" else 1)
        )

    @property
    def percentile(self) -> str:
        """The percentile as it is written: ``p99`` or ``p999``."""
        return f"p{f'{self.fraction:g}'[2:]:0<2}"

    def __str__(self) -> str:
        return f"{self.percentile}<{self.limit_s * 1000:.10g}ms"


class OwnRequest(Struct, frozen=True, kw_only=True):
    """A request that the user describes, in place of the contract's."""

    path: Annotated[str, says("Path and query, as they are sent.")]
    method: Annotated[str, says("HTTP method.")] = "GET"
    headers: Annotated[
        dict[str, str], says("Header fields beside Host, Accept and Content-Length; values are not recorded.")
    ] = {}
    body: Annotated[str, says("Body, sent as UTF-8; empty for none.")] = ""
    status: Annotated[int, says("Status that the answer must have.")] = 200
    weight: Annotated[Count, says("How often it is drawn relative to the others.")] = 1

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class LoadSpec(Struct, frozen=True, kw_only=True):
    """The load of one window."""

    scenario: Annotated[str, says("Name of the Locust workload; `paths` if the user's own requests are sent.")]
    users: Annotated[int, Meta(ge=1, le=1_000_000), says("Locust users, each one connection.")]
    delay_ms: Annotated[int, Meta(ge=0, le=MAX_DELAY_MS), says("Sleep requested by the scenarios that sleep.")]
    rate: Annotated[Rate | None, says("Arrival rate of an open loop, or where a ramp begins; null otherwise.")] = None
    arrivals: Annotated[
        Arrivals | None, says("Arrival process of an open loop, such as poisson; null in a closed loop.")
    ] = None
    objective: Annotated[Objective | None, says("What each step of a climb must hold; null for the default.")] = None
    tool: Annotated[Tool, says("The program that generates the load.")] = Tool.LOCUST
    generator_workers: Annotated[Count, says("Locust worker processes; 0 where one process does everything.")] = 0
    warmup_s: Annotated[Seconds, says("Load before the window that is not counted; the shortest, if it varies.")]
    most_warmup_s: Annotated[
        Seconds, says("The longest warm-up, of a server whose rate goes on rising; 0 if it does not depend on that.")
    ] = 0.0
    window_s: Annotated[Seconds, says("Requested length of the window.")]
    requests: Annotated[list[OwnRequest], says("Requests of the user's own, from PATHS=; empty for a scenario's.")] = []
    headers_digest: Annotated[
        str | None, says("Salt and scrypt digest of the values of their headers; null if they have none.")
    ] = None

    def redacted(self) -> Self:
        """Return the load as it is recorded: without the values of headers."""
        requests = [replace(own, headers=dict.fromkeys(own.headers, REDACTED)) for own in self.requests]
        return replace(self, requests=requests)


class Ceiling(Struct, frozen=True, kw_only=True):
    """The load generator's ceiling: its rate against a server that does nothing but answer, just before the run."""

    requests: Annotated[Count, says("Requests answered.")]
    duration_s: Annotated[Seconds, says("Duration of the measurement.")]
    generator_cpu_s: Annotated[Seconds, says("CPU time of the generator.")]
    requests_per_cpu_s: Annotated[float, says("Requests per second of the generator's CPU time, on one core.")]


class DatabaseSetup(Struct, frozen=True, kw_only=True):
    """The database that each server has of its own, and how apps reach it."""

    version: Annotated[str, says("Version of PostgreSQL.")]
    origin: Annotated[str, says("The pinned package that it comes from, or DATABASE for one of the user's own.")]
    settings: Annotated[dict[str, str], says("Its settings, as far as this project sets them.")]
    connections: Annotated[Count, says("Connections that each worker of every stack keeps open.")]
    rows: Annotated[Count, says("Orders in it before the first request.")]


class Setup(Struct, frozen=True, kw_only=True):
    """The set-up of all windows: resources, cores, load, and the generator's own limit."""

    size: Annotated[Size, says("vCPUs and memory given to each stack.")]
    server_cores: Annotated[list[int], says("Cores that the server is pinned to; empty on Fargate.")]
    generator_cores: Annotated[list[int], says("Cores that the load generator is pinned to.")]
    split_siblings: Annotated[
        bool, says("Whether server and generator run on hardware threads of one physical core.")
    ] = False
    load_path: Annotated[
        str,
        says("Path of the load to the server: loopback, network namespace, host network, to AWS, between two tasks."),
    ]
    load: LoadSpec
    ceiling: Annotated[Ceiling | None, says("The generator's own limit; null if it was not measured.")] = None
    database: Annotated[
        DatabaseSetup | None, says("The servers' databases, on the generator's cores; null without any.")
    ] = None

    @property
    def shares_cores(self) -> bool:
        """Whether the server and the generator have a core in common."""
        return bool(set(self.server_cores) & set(self.generator_cores))

    @property
    def usable_generator_cores(self) -> int:
        """How many of its cores the load generator can use: one for each Locust process, or all of them for wrk."""
        cores = len(self.generator_cores)
        return cores if self.load.tool is Tool.WRK else min(max(1, self.load.generator_workers), cores)
