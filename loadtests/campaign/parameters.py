"""Parameters that several measuring commands share, each group declared once."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators
from msgspec.structs import replace

from common.catalog.sizes import Runtime
from common.cli.parameters import ForeignUrl, Format
from common.conformance.wire import Endpoint
from common.console import Terminal
from common.contract import MAX_DELAY_MS
from common.errors import UsageError
from common.host.addresses import require_consent
from common.records.load import Arrivals, LoadSpec, Objective, Rate
from common.records.run import Design, Guest, Stopping
from common.runtimes.candidates import Candidate, guest_candidate, parse_runtime
from common.runtimes.guests import guest_at, image_guest, parse_capabilities
from common.tables import Form
from common.words import canonical, one_of
from loadtests.analysis.thresholds import LOOKS, SLICED_LOOKS
from loadtests.campaign.plan import parse_duration, parse_stopping
from loadtests.scenarios import own_requests
from loadtests.scenarios.scenario import DELAY_MS, MOST_USERS, USERS, WARMUP_S, WINDOW_S
from loadtests.scenarios.workloads import CLOSED, SCENARIOS
from loadtests.windows.sliced import why_not_sliced
from loadtests.windows.tools import parse_tool, require_able

MOST_PID = 2**22
"""The largest process ID that Linux gives."""
VCPUS = "vCPUs of servers, joined by commas, such as 0.25,0.5,1."


def within(low: int, high: int, about: str) -> Parameter:
    """Return the declaration of a number between two bounds."""
    return Parameter(validator=validators.Number(gte=low, lte=high), help=about)


Rounds = Annotated[int, within(1, 1000, "Rounds of fresh servers, 1 to 1000.")]
ExactRounds = Annotated[int | None, within(1, 1000, "Exactly that many rounds, 1 to 1000.")]
WorkerCounts = Annotated[str, Parameter(help="Numbers of server workers, joined by commas, 1 to 64 each.")]
Users = Annotated[int, within(1, MOST_USERS, f"Connections, 1 to {MOST_USERS:,}.")]
Delay = Annotated[
    int,
    within(0, MAX_DELAY_MS, f"Milliseconds that each request of sleep, mixed and sleepers waits, 0 to {MAX_DELAY_MS}."),
]
Seed = Annotated[
    int | None, Parameter(validator=validators.Number(gte=0), help="Seed of the order; drawn unless given.")
]
Out = Annotated[Path | None, Parameter(help="Folder for the run instead of loadtests/results/ID.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class PathsParameters:
    """Requests of the user's own."""

    paths: Annotated[
        str | None, Parameter(help="TOML file of requests to send instead of the contract's, with expected statuses.")
    ] = None

    def apply_to(self, load: LoadSpec, runtime: Runtime) -> LoadSpec:
        """Return the load with the requests of ``PATHS=``; ``UsageError`` if it cannot send them."""
        if self.paths is None:
            return load
        if load.scenario != "hello":
            raise UsageError(f"PATHS={self.paths} takes the place of SCENARIO={load.scenario}: leave one out.")
        requests = own_requests.parse_requests(self.paths)
        digest = own_requests.headers_digest(requests)
        own = replace(load, scenario=own_requests.NAME, requests=requests, headers_digest=digest)
        if reason := why_not_sliced(own, runtime):
            raise UsageError(f"PATHS={self.paths} cannot be used with {reason}: it is sent by Locust, in slices.")
        return own

    def complete(self, recorded: LoadSpec) -> LoadSpec:
        """Return the load of a run to resume, with the values of headers, which are not recorded, from ``PATHS=``.

        Raise ``UsageError`` if that file is missing, is not needed, or holds other requests than the run began with.
        """
        if recorded.headers_digest is None:
            if self.paths is not None:
                raise UsageError(f"RESUME= knows all requests of the run: leave out PATHS={self.paths}.")
            return recorded
        if self.paths is None:
            raise UsageError("RESUME= needs the values of headers, which are not recorded: add PATHS=, the run's file.")
        requests = own_requests.parse_requests(self.paths)
        salt = recorded.headers_digest.partition(":")[0]
        given = replace(recorded, requests=requests, headers_digest=own_requests.headers_digest(requests, salt))
        if given.redacted() != recorded:
            raise UsageError(
                f"PATHS={self.paths} holds other requests than the run began with: give its file unchanged."
            )
        return given


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class GuestParameters(PathsParameters):
    """A server of the user's own to measure, and the requests to send to it."""

    target_image: Annotated[
        str | None,
        Parameter(
            help="Image of your own to measure, such as registry/app:tag, alone or beside the stacks that FRAMEWORK= "
            "names. Its server is expected on the port that it exposes, or on $PORT."
        ),
    ] = None
    target_caps: Annotated[
        str,
        Parameter(
            help="Capabilities of the containers of TARGET_IMAGE=, joined by commas, such as NET_BIND_SERVICE,SETUID; "
            "default for Docker's own. None unless given."
        ),
    ] = ""
    url: Annotated[
        str | None, Parameter(help="Base URL of a server of your own that is already up, to measure where it runs.")
    ] = None
    pid: Annotated[
        int | None,
        within(1, MOST_PID, "Process of the server at URL=, whose CPU time is read with its descendants'."),
    ] = None
    container: Annotated[str | None, Parameter(help="Container of the server at URL=, whose CPU time is read.")] = None
    foreign_url: ForeignUrl = False

    def parse_runtime(self, asked: str) -> Runtime:
        """Return the runtime that ``RUNTIME=`` names and that suits the guest; ``UsageError`` if none does."""
        if self.target_image is not None and self.url is not None:
            raise UsageError(f"TARGET_IMAGE={self.target_image} and URL={self.url} both name a server: leave one out.")
        for variable, value, needed in (
            ("TARGET_IMAGE", self.target_image, Runtime.DOCKER),
            ("URL", self.url, Runtime.PROCESS),
        ):
            if value is not None:
                runtime = parse_runtime(needed if canonical(asked) == "auto" else asked)
                if runtime is not needed:
                    raise UsageError(f"{variable}={value} needs RUNTIME={needed}, not {runtime}.")
                return runtime
        return parse_runtime(asked)

    def candidates(self) -> tuple[Candidate, ...]:
        """Return the guest, if one is named; ``UsageError`` if there is no such image, process or container."""
        if self.target_image is not None:
            guest = image_guest(self.target_image, parse_capabilities(self.target_caps))
        elif self.url is not None:
            guest = guest_at(Endpoint.parse(self.url).url, pid=self.pid, container_name=self.container)
            self.require_consent(guest)
        else:
            for variable, value in (("PID", self.pid), ("CONTAINER", self.container)):
                if value is not None:
                    raise UsageError(f"{variable}={value} says whose CPU time to read: needs URL=.")
            if self.target_caps:
                raise UsageError(f"TARGET_CAPS={self.target_caps} needs TARGET_IMAGE=.")
            if self.foreign_url:
                raise UsageError("FOREIGN_URL=yes needs URL=.")
            return ()
        return (guest_candidate(guest),)

    def require_consent(self, guest: Guest) -> None:
        """Raise ``UsageError`` if a guest is on another machine and ``FOREIGN_URL=yes`` is not given."""
        if guest.url is not None:
            host = Endpoint.parse(guest.url).host
            require_consent(host, url=guest.url, foreign_url=self.foreign_url)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class RunParameters:
    """The folder of a run, the seed of its order, the run to resume, and the time by which a run has to end."""

    seed: Seed = None
    out: Out = None
    resume: Annotated[str | None, Parameter(help="Interrupted run to complete: its id, its folder, or latest.")] = None
    format: Format = "text"
    ends_at_s: Annotated[float, Parameter(parse=False)] = math.inf
    """The time of ``time.monotonic`` by which a survey has to end; a run that it cuts short can be resumed."""

    def terminal(self) -> Terminal:
        """Return the terminal that prints results in the form asked for."""
        return Terminal(form=Form(self.format))


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatParameters:
    """The number of times that a whole run is made."""

    repeat: Annotated[
        int,
        within(1, 100, "Whole runs, for intervals that hold across runs."),
    ] = 1
    pause: Annotated[
        str | None, Parameter(help="Time between repeated runs, such as 10m; none unless it is given.")
    ] = None

    def parse_pause(self) -> float:
        """Return the seconds between two runs; ``UsageError`` where there is only one."""
        if self.pause is None:
            return 0.0
        if self.repeat == 1:
            raise UsageError(f"PAUSE={self.pause} is the time between repeated runs: needs REPEAT=, such as REPEAT=3.")
        return parse_duration(self.pause, variable="PAUSE")


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class LoadParameters:
    """The load on servers, steady and in a closed loop."""

    scenario: Annotated[str, Parameter(help=f"Workload: {', '.join(CLOSED)}.")] = "hello"
    users: Users = USERS
    delay: Delay = DELAY_MS

    def parse(self) -> LoadSpec:
        """Return the load of one window; ``UsageError`` if its scenario is unknown, needs a rate or climbs."""
        scenario = one_of(self.scenario, SCENARIOS, variable="SCENARIO")
        if scenario not in CLOSED:
            needs_rate = SCENARIOS[scenario].open_loop
            why = "needs a rate, which cannot be given here" if needs_rate else "climbs, and load is steady here"
            raise UsageError(f"SCENARIO={scenario} {why}: must be one of {', '.join(CLOSED)}.")
        return self._spec(scenario)

    def _spec(self, scenario: str, **fields: Any) -> LoadSpec:  # noqa: ANN401 -- the record's other fields
        return LoadSpec(
            scenario=scenario,
            users=self.users,
            delay_ms=self.delay,
            warmup_s=WARMUP_S,
            window_s=WINDOW_S,
            **fields,
        )


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class AnyLoadParameters(LoadParameters):
    """The load on servers: any scenario, at any rate, by either tool."""

    scenario: Annotated[str, Parameter(help=f"Workload: {', '.join(SCENARIOS)}.")] = "hello"
    rate: Annotated[
        str | None,
        Parameter(help="Arrivals of rate and ramp: per second, such as 500, or a share of capacity, such as 50%."),
    ] = None
    arrivals: Annotated[str | None, Parameter(help="Gaps between arrivals: constant or poisson.")] = None
    objective: Annotated[
        str | None, Parameter(help="Objective of each step of ramp and sleepers, such as p99<50ms.")
    ] = None
    tool: Annotated[str, Parameter(help="Load generator: locust, or wrk as a second opinion.")] = "locust"
    generator_workers: Annotated[
        int,
        within(0, 1000, "Locust worker processes; 0 for a single process."),
    ] = 0
    design: Annotated[
        str,
        Parameter(
            help="How servers of a round are measured: sliced (all up at once, loaded in turn in short slices), alone "
            "(one after the other), or auto: sliced where the load can be cut into slices."
        ),
    ] = "auto"

    def parse_design(self, load: LoadSpec, runtime: Runtime) -> Design:
        """Return the design that ``DESIGN=`` names; ``UsageError`` if the load cannot be sliced."""
        reason = why_not_sliced(load, runtime)
        if canonical(self.design) == "auto":
            return Design.ALONE if reason else Design.SLICED
        design = Design(one_of(self.design, (Design.SLICED, Design.ALONE), variable="DESIGN", more=("auto",)))
        if design is Design.SLICED and reason:
            raise UsageError(f"DESIGN=sliced cannot be used with {reason}: must be alone or auto.")
        if design is Design.ALONE and load.requests:
            raise UsageError(
                "DESIGN=alone cannot be used with PATHS=, whose requests are sent in slices: must be sliced or auto."
            )
        return design

    def parse(self) -> LoadSpec:
        """Return the load of one window; ``UsageError`` if its values conflict."""
        scenario = SCENARIOS[one_of(self.scenario, SCENARIOS, variable="SCENARIO")]
        open_loops = [name for name, kind in SCENARIOS.items() if kind.open_loop]
        climbs = [name for name, kind in SCENARIOS.items() if kind.climbs]
        for variable, value, able in (
            ("RATE", self.rate, open_loops),
            ("ARRIVALS", self.arrivals, open_loops),
            ("OBJECTIVE", self.objective, climbs),
        ):
            if value is not None and scenario.name() not in able:
                raise UsageError(f"{variable}={value} needs SCENARIO={' or '.join(able)}, not {scenario.name()}.")
        rate = scenario.default_rate if self.rate is None else Rate.parse(self.rate)
        if scenario.climbs and rate is not None and rate.share is not None:
            raise UsageError(f"invalid RATE={self.rate}: must be requests per second, where {scenario.name()} starts.")
        arrivals = Arrivals(one_of(self.arrivals or Arrivals.CONSTANT, Arrivals, variable="ARRIVALS"))
        load = self._spec(
            scenario.name(),
            rate=rate,
            arrivals=arrivals if scenario.open_loop else None,
            objective=None if self.objective is None else Objective.parse(self.objective),
            tool=parse_tool(self.tool),
            generator_workers=self.generator_workers,
        )
        require_able(load)
        return load


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingParameters:
    """The end of a load test."""

    rounds: ExactRounds = None
    budget: Annotated[str | None, Parameter(help="Time for windows, such as 90s, 15m or 1h. Default: 6m.")] = None
    precision: Annotated[
        str | None, Parameter(help="Half-width of an interval at which its stack drops out, such as 2%.")
    ] = None
    margin: Annotated[str, Parameter(help="Stacks within this of each other are equivalent, such as 5%.")] = "5%"

    def parse(self, design: Design) -> tuple[int, Stopping]:
        """Return the most rounds, and the rule that ends the run; ``UsageError`` if values conflict."""
        looks = SLICED_LOOKS if design is Design.SLICED else LOOKS
        return parse_stopping(
            rounds=self.rounds, budget=self.budget, precision=self.precision, margin=self.margin, looks=looks
        )
