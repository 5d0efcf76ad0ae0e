"""The making of a capacity plan: from the figures of this machine, which are measured first where they are missing."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from msgspec import structs

from common.catalog.prices import Compute, Prices
from common.catalog.servers import command
from common.catalog.sizes import TaskArchitecture
from common.catalog.stacks import image_tag, images
from common.cli.parameters import StackParameters
from common.console import Terminal
from common.engine.build_context import PORT
from common.errors import UsageError
from common.host.folders import write_files
from common.host.machine import machine
from common.records.capacity import CapacityPlan, Demand, TaskPlan
from common.records.figure import Figure, Subject
from common.records.load import OwnRequest
from common.records.run import LoadRun
from common.runtimes.candidates import DEFAULT_IMAGE, Candidate
from common.words import first_names
from loadtests.analysis.formatting import MS_PER_S
from loadtests.board.index import selectors_of
from loadtests.campaign.parameters import AnyLoadParameters, GuestParameters
from loadtests.campaign.store import RESULTS, RunFolder
from loadtests.capacity.deployment import Serving, files
from loadtests.capacity.known import Known, Lacking, known, missing
from loadtests.capacity.sentences import measuring_command
from loadtests.capacity.sizing import best_plans
from loadtests.cli.results import known_of_machine
from loadtests.experiments.latency.command import latency
from loadtests.experiments.loadtest.command import loadtest
from loadtests.experiments.memory.command import memory
from loadtests.scenarios import own_requests

NAMED = 3
"""The largest number of stacks that a message names."""
MISSING = {"loadtest": "rate", "memory": "memory", "latency": "latency"}
"""What each command measures, in words."""
MEASURING: Mapping[str, Callable[[StackParameters], None]] = {
    "loadtest": loadtest,
    "memory": memory,
    "latency": latency,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """A question about the capacity of some stacks."""

    candidates: Sequence[Candidate]
    demand: Demand
    requests: Sequence[OwnRequest]
    """Requests of the user's own, as they are recorded; none for a scenario's."""
    paths: str | None
    """The file that they are in."""
    prices: Prices
    offers: Sequence[Compute]
    terminal: Terminal

    def make(self, figures: Sequence[Figure], *, measure: bool) -> CapacityPlan:
        """Return the plan; ``UsageError`` if no stack is known well enough, or none can carry the load.

        With ``measure``, what is missing is measured before.
        """
        if measure and (lacking := self._lacking(figures)):
            for subject, lacks in lacking.items():
                self._measure(subject, lacks)
            figures = known_of_machine(self.terminal)
        lacking = self._lacking(figures)
        commands = {subject.name: self._command(subject, lacks) for subject, lacks in lacking.items()}
        scenario, subjects = self.demand.scenario, [subject for subject in self._by_subject if subject not in lacking]
        stacks = [known(self._own(subject, figures), scenario) for subject in subjects]
        if not stacks:
            self._refuse(lacking, commands)
        return CapacityPlan(
            made_at=datetime.now(UTC),
            prices_of={offer.name: offer.as_of for offer in self.offers},
            demand=self.demand,
            plans=self._plans(stacks),
            missing=commands,
        )

    def candidate_of(self, plan: TaskPlan) -> Candidate:
        """Return the stack of a plan."""
        return self._by_subject[plan.subject]

    @property
    def _by_subject(self) -> dict[Subject, Candidate]:
        return {candidate.subject: candidate for candidate in self.candidates if candidate.unavailable is None}

    def _own(self, subject: Subject, figures: Sequence[Figure]) -> list[Figure]:
        """Return a stack's figures, without rates of other requests of the user's own than those asked about."""
        own = [figure for figure in figures if figure.subject == subject]
        return [
            figure
            for figure in own
            if figure.conditions.scenario != own_requests.NAME or _sent(figure) == list(self.requests)
        ]

    def _lacking(self, figures: Sequence[Figure]) -> dict[Subject, list[Lacking]]:
        found = {one: missing(self._own(one, figures), self.demand.scenario) for one in self._by_subject}
        return {subject: lacks for subject, lacks in found.items() if lacks}

    def _command(self, subject: Subject, lacks: Sequence[Lacking]) -> str:
        variables = {"SCENARIO": self.demand.scenario} if self.paths is None else {"PATHS": self.paths}
        return measuring_command(subject, lacks, self._selector(subject), variables)

    def _selector(self, subject: Subject) -> str:
        return selectors_of(self.candidates)[subject.framework]

    def _measure(self, subject: Subject, lacks: Sequence[Lacking]) -> None:
        given = replace(subject.stack, framework=self._selector(subject)).variables | {"RUNTIME": str(subject.runtime)}
        asked = StackParameters(**{variable.lower(): value for variable, value in given.items()})
        for lacking in lacks:
            self.terminal.say(f"plan: measures {subject.name}: make {lacking.command}")
            if lacking.of_scenario and self.paths is None:
                loadtest(asked, load=AnyLoadParameters(scenario=self.demand.scenario))
            elif lacking.of_scenario:
                loadtest(asked, guest=GuestParameters(paths=self.paths))
            else:
                MEASURING[lacking.command](asked)

    def _refuse(self, lacking: Mapping[Subject, Sequence[Lacking]], commands: Mapping[str, str]) -> NoReturn:
        if not lacking:
            reasons = [f"{candidate.name}: {candidate.unavailable}" for candidate in self.candidates]
            raise UsageError(f"no plan: no stack is available here. {first_names(reasons, NAMED)}. Choose another.")
        (subject, lacks), *_ = lacking.items()
        what = " and ".join(dict.fromkeys(MISSING[one.command] for one in lacks))
        others = list(commands)[1:]
        also = f"; nor are {first_names(others, NAMED)} known well enough" if others else ""
        raise UsageError(
            f"no plan: the {what} of {subject.name} was not measured on this machine{also}. "
            f"Run: {commands[subject.name]}, or add MEASURE=yes."
        )

    def _plans(self, stacks: Sequence[Known]) -> list[TaskPlan]:
        """Return the best plans; ``UsageError`` with the reason if there are none."""
        demand = self.demand
        if plans := best_plans(stacks, demand, self.prices, self.offers):
            return plans
        unlimited = structs.replace(demand, connections=None)
        if demand.connections is not None and (plans := best_plans(stacks, unlimited, self.prices, self.offers)):
            fewest = min(plans, key=lambda plan: plan.connections)
            raise UsageError(
                f"DATABASE_CONNECTIONS={demand.connections} is too few: {fewest.subject.name} needs at least "
                f"{fewest.connections}: {fewest.tasks} tasks and one more during an update, x {fewest.size.workers} "
                f"workers, x POOL={demand.pool}. Lower POOL=, raise the database's limit, or put a pooler such as "
                "PgBouncer in between and give the number that it accepts."
            )
        names = first_names([stack.subject.name for stack in stacks], NAMED)
        raise UsageError(
            f"no size on the price lists holds P99={demand.p99_s * MS_PER_S:g}ms with {names} at any rate. Raise P99=, "
            "or choose other stacks or PRICES=."
        )


def write_deployment(plan: TaskPlan, demand: Demand, candidate: Candidate, folder: Path, terminal: Terminal) -> None:
    """Write a plan as files to deploy it with; a stack that was measured as a process is deployed in its slim image."""
    stack = candidate.stack
    line = command(stack.framework, stack.server, host="0.0.0.0", port=PORT, workers=plan.size.workers)  # noqa: S104 -- in a container
    serving = Serving(
        framework=stack.framework.name,
        image=candidate.tag or image_tag(stack, images()[DEFAULT_IMAGE]),
        line=line,
        port=PORT,
        architecture=TaskArchitecture.ARM64 if machine().architecture == "aarch64" else TaskArchitecture.X86_64,
    )
    written = {folder / name: text for name, text in files(plan, demand, serving).items()}
    write_files(written)
    for file in written:
        terminal.say(f"wrote {file}")


def _sent(figure: Figure) -> list[OwnRequest]:
    """Return the requests that a rate was measured with, without the values of headers."""
    with suppress(UsageError):
        run = RunFolder(folder=RESULTS / figure.run).run()
        if isinstance(run, LoadRun):
            return run.setup.load.requests
    return []
