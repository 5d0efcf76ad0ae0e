"""One seeded scenario of a run on Fargate in simulated time: what goes wrong is drawn, what must hold is checked."""

import math
import random
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import pytest
from greenlet import getcurrent, greenlet

import common.aws.interrupts
import common.runtimes.fargate
from common.aws.clock import boot_time_s
from common.aws.leases import DEFINITION_LEASE, clean, expiry_of
from common.aws.settings import FargateSettings
from common.aws.spending import STOP_S, TaskPrices, parse_fargate_size
from common.catalog.sizes import Size
from common.errors import BenchmarkError, FailedError
from common.runtimes.fargate import GENERATOR_SIZE, START_DEADLINE_S, serve
from common.runtimes.preparation import sweep
from common.runtimes.running_server import RunningServer
from tests.support.fake_aws import Endpoint
from tests.support.fake_ecs import Json
from tests.support.fargate_settings import REGISTRY
from tests.support.simulated_ecs import Durations, SimulatedEcs
from tests.support.unreliable_aws import Faults, Outage, UnreliableNetwork
from tests.support.virtual_time import START_S, KilledError, VirtualTime

PUBLIC_IP: tuple[Literal["enabled", "disabled"], ...] = ("enabled", "disabled")
PRICES = {choice: TaskPrices.find("X86_64", "us-east-1", public=choice == "enabled") for choice in PUBLIC_IP}
"""Prices by ``ASSIGN_PUBLIC_IP=``."""
SIZES = [parse_fargate_size(vcpu, None) for vcpu in ("0.25", "1", "2", "4")]
FOREVER_S = 1e6


@dataclass(frozen=True, kw_only=True)
class PlannedServer:
    """A server of the run, and how its user treats it."""

    size: Size
    needed_s: float
    unattended_s: float
    """For how long nobody looks at it, beyond what it is needed for."""

    def tasks(self, *, load_from_task: bool) -> list[tuple[Size, float]]:
        """Return its tasks with their longest lifetimes, as ``PlannedServer`` in common.runtimes does."""
        lifetime_s = START_DEADLINE_S + self.needed_s
        if not load_from_task:
            return [(self.size, lifetime_s)]
        return [(self.size, START_DEADLINE_S + lifetime_s), (GENERATOR_SIZE, lifetime_s)]


@dataclass(kw_only=True)
class Outcome:
    """The outcome of a scenario."""

    seed: int
    ending: str = "still going on"
    message: str = ""
    ended_s: float = math.inf
    tasks: int = 0
    calls: int = 0
    share_of_ceiling: float = 0.0
    left_at_end: int = 0
    """Tasks that ran when the process had ended, as it said or because it was killed."""
    swept: int = 0
    ended_by_deadline: int = 0
    violations: list[str] = field(default_factory=list)


class Scenario:
    """A run, what happens to it, and the others that sweep the same cluster meanwhile."""

    def __init__(self, seed: int) -> None:
        self.outcome = Outcome(seed=seed)
        self.chance = random.Random(seed)  # noqa: S311 -- not for secrets
        self.killed = False
        self.everyones = False
        self.main: greenlet | None = None
        self.sweepers: set[greenlet] = set()
        self.world = VirtualTime(woken=self._woken)
        self.ecs = _WatchedEcs(engine=None, random=self._random("ecs"), scenario=self)  # type: ignore[arg-type]
        self.endpoint = Endpoint(url="simulated", ecs=self.ecs)
        self._draw()

    def play(self) -> Outcome:
        """Play the scenario to its end and return what became of it."""
        with self.world.installed(), self._patched():
            settings = self._settings()
            self.main = self.world.spawn(self._process, settings)
            for at_s in self.sweeps_s:
                self.sweepers.add(self.world.spawn(self._sweep, at_s, elsewhere=True))
            self.world.run(START_S + FOREVER_S, unless=lambda: math.isfinite(self.outcome.ended_s))
            self._check_end(settings)
            self._check_afterwards()
        return self.outcome

    def _draw(self) -> None:
        chance = self.chance
        self.load_from_task = chance.random() < 0.3
        self.open_ended = not self.load_from_task and chance.random() < 0.15
        self.plan = [
            PlannedServer(
                size=chance.choice(SIZES),
                needed_s=chance.uniform(5, 240),
                unattended_s=chance.choice([0.0, 0.0, 0.0, chance.uniform(100, 20_000)]),
            )
            for _ in range(1 if self.open_ended else chance.randint(1, 3))
        ]
        length_s = sum(server.needed_s + 90 for server in self.plan)
        # Half of them while the first task is being requested, which takes a second or two of a run of minutes.
        self.signals_s = sorted(
            START_S + chance.uniform(0, chance.choice([3, length_s]))
            for _ in range(chance.choice([0, 0, 0, 1, 1, 2, 3]))
        )
        if len(self.signals_s) > 1 and chance.random() < 0.5:
            self.signals_s = [self.signals_s[0]] * len(self.signals_s)
        self.killed_s = START_S + chance.uniform(0, length_s) if chance.random() < 0.2 else math.inf
        self.suspended = (
            (START_S + chance.uniform(0, length_s), chance.uniform(60, 20_000)) if chance.random() < 0.15 else None
        )
        self.sweeps_s = [START_S + chance.uniform(0, length_s) for _ in range(chance.randint(0, 3))]
        self.ecs.behaviour.visible_after_s = chance.choice([0, 0, 5, 45])
        self.ecs.behaviour.no_capacity_times = chance.choice([0, 0, 0, 1, 2, 9])
        self.ecs.behaviour.without_pull_times = chance.random() < 0.1
        self.ecs.container_clock_ahead_s = chance.uniform(-1.5, 1.5)
        dies = chance.random() < 0.2
        self.ecs.durations = Durations(life_s=(0, 300) if dies else (math.inf, math.inf))
        self.network = self._network(self._faults(length_s))

    def _faults(self, length_s: float) -> Faults:
        chance = self.chance
        rare = [0.0, 0.0, 0.02, 0.1]
        outages = [
            Outage(kind=kind, from_s=from_s, to_s=from_s + chance.choice([20, 200, FOREVER_S]))
            for kind in ("throttling", "network", "credentials")
            if chance.random() < 0.1
            for from_s in [START_S + chance.uniform(0, length_s)]
        ]
        refused = chance.choice(["UnsupportedFeatureException", "AccessDeniedException"])
        return Faults(
            throttled=chance.choice([0.0, 0.1, 0.5]),
            server_error=chance.choice(rare),
            lost_request=chance.choice(rare),
            lost_reply=chance.choice(rare),
            delayed=chance.choice(rare),
            repeated=chance.choice(rare),
            refused={"RunTask": refused} if chance.random() < 0.05 else {},
            outages=tuple(outages),
        )

    def _network(self, faults: Faults) -> UnreliableNetwork:
        return UnreliableNetwork(
            endpoint=self.endpoint,
            faults=faults,
            random=self._random("network"),
            later=self._later,
            dead=lambda: self.killed and getcurrent() not in self.sweepers,
        )

    def _settings(self) -> FargateSettings:
        planned = [task for server in self.plan for task in server.tasks(load_from_task=self.load_from_task)]
        public = self.chance.choice(PUBLIC_IP)
        needed = sum(PRICES[public].dollars(size, lifetime_s + STOP_S) for size, lifetime_s in planned)
        settings = FargateSettings(
            region="us-east-1",
            subnets="s",
            registry=REGISTRY,
            execution_role="arn:aws:iam::123456789012:role/r",
            architecture="x86_64",
            assign_public_ip=public,
            load_from="task" if self.load_from_task else "here",
            max_dollars=needed * self.chance.choice([0.9, *[1.0001] * 6, 1.3, 1.3, 3]),
        )
        settings.__dict__["cloud"] = self.network.client()
        return settings

    def _process(self, settings: FargateSettings) -> None:
        """Run the plan as a process does, to the end of Python."""
        try:
            self._carry_out(settings)
            self.outcome.ending = "completed"
        except KilledError:
            self.outcome.ending = "killed"
        except KeyboardInterrupt:
            self.outcome.ending = "interrupted"
        except BenchmarkError as error:
            self.outcome.ending, self.outcome.message = type(error).__name__, str(error)
        if not self.killed:
            common.aws.interrupts.finish_all()
        self.outcome.ended_s = self.killed_s if self.killed else time.time()

    def _carry_out(self, settings: FargateSettings) -> None:
        if self.open_ended:
            settings.budget.approve_open_end(self.plan[0].size, lambda _: None)
        else:
            tasks = [task for server in self.plan for task in server.tasks(load_from_task=self.load_from_task)]
            settings.budget.approve(tasks, lambda _: None)
        sweep(settings, lambda _: None)
        for server in self.plan:
            try:
                with serve("toy", settings.image("toy:1"), server.size, settings) as running:
                    self._use(server, running)
            except FailedError as error:  # which ends a cell, and not the run
                self.outcome.message = str(error)

    def _use(self, server: PlannedServer, running: RunningServer) -> None:
        if running.load_task is not None:
            running.load_task.ask(("load",), server.needed_s)
            return
        time.sleep(server.unattended_s)
        until_s = FOREVER_S if self.open_ended else boot_time_s() + server.needed_s
        while boot_time_s() < until_s:
            if (reason := running.exit_reason()) is not None:
                raise FailedError(reason)
            time.sleep(self.chance.uniform(1, 9))

    def _sweep(self, at_s: float) -> None:
        """Clean up as another machine does, for which nothing of this run is its own."""
        time.sleep(at_s - time.time())
        try:
            clean(self.network.client(), "default", everyones=False, report=lambda _: None)
        except BenchmarkError:
            return

    def _woken(self) -> None:
        """Let happen to the process what was drawn for this instant."""
        if self.killed or time.time() >= self.killed_s:
            self.killed = True
            raise KilledError
        if self.suspended is not None and time.time() >= self.suspended[0]:
            self.world.suspend(self.suspended[1])
            self.suspended = None
        if getcurrent() is self.main and self.signals_s and time.time() >= self.signals_s[0]:
            self.signals_s.pop(0)
            signal.raise_signal(signal.SIGINT)

    def _check_end(self, settings: FargateSettings) -> None:
        """Check what holds when the process has ended."""
        outcome = self.outcome
        left = [] if self.killed else self.ecs.running
        outcome.left_at_end = len(self.ecs.running)
        if left and "left behind" not in outcome.message:
            outcome.violations.append(f"{len(left)} tasks left without a word; {outcome.ending}: {outcome.message}")
        if left and not any(outage.to_s > outcome.ended_s - 400 for outage in self.network.faults.outages):
            outcome.violations.append(f"{len(left)} tasks left although AWS answered: {outcome.message}")
        self.budget = settings.budget

    def _check_afterwards(self) -> None:
        """Check what holds in the end: by the tasks' own deadlines, or at once where everything is removed."""
        outcome, swept = self.outcome, self.chance.random() < 0.5
        if swept:
            self.world.run(max(time.time(), outcome.ended_s) + 200)
            self._clean_up(everyones=True)
        else:
            self.world.run(max(time.time(), self.ecs.latest_deadline_s()) + 120)
        if self.ecs.running:
            outcome.violations.append(f"{len(self.ecs.running)} tasks left {'by a sweep' if swept else 'for ever'}")
        self.world.run(max(time.time(), outcome.ended_s) + DEFINITION_LEASE.total_seconds() + 500)
        self._clean_up()
        if self.ecs.definitions:
            outcome.violations.append(f"{len(self.ecs.definitions)} task definitions left by a sweep")
        self._check_money()

    def _check_money(self) -> None:
        outcome, ceiling = self.outcome, self.budget.max_dollars
        bill = self.ecs.dollars(self.budget.rates)
        outcome.tasks, outcome.calls = len(self.ecs.tasks), self.network.calls
        outcome.share_of_ceiling = bill / ceiling
        outcome.ended_by_deadline = sum(task.get("exitCode") == 124 for task in self.ecs.tasks.values())
        if bill > ceiling:
            outcome.violations.append(f"${bill:.4f} spent, MAX_DOLLARS={ceiling:.4f}")
        if not self.killed and bill > self.budget.spent + 1e-9:
            outcome.violations.append(f"${bill:.4f} spent, ${self.budget.spent:.4f} accounted for")

    def _clean_up(self, *, everyones: bool = False) -> None:
        """Run ``fargate-clean`` on a machine and at a time at which everything works."""
        self.everyones = everyones
        healthy = self._network(Faults())
        sweeper = self.world.spawn(
            lambda: clean(healthy.client(), "default", everyones=everyones, report=lambda _: None), elsewhere=True
        )
        self.sweepers.add(sweeper)
        self.world.run(time.time() + 600)

    def stopped(self, task: Json) -> None:
        """Note that a task was told to stop, and by whom."""
        if getcurrent() not in self.sweepers:
            return
        self.outcome.swept += 1
        if self.everyones:
            return
        expires_at = expiry_of(task)
        if expires_at is None or expires_at.timestamp() > time.time():
            self.outcome.violations.append(f"a sweep stopped a task whose lease expires at {expires_at}")
        undisturbed = not self.world.suspended and not self.network.faults.outages
        if undisturbed and not self.killed and math.isinf(self.outcome.ended_s):
            self.outcome.violations.append("a sweep stopped a task of a live run")

    def _later(self, seconds: float, action: Callable[[], object]) -> None:
        def act() -> None:
            time.sleep(seconds)
            action()

        self.world.spawn(act, elsewhere=True)

    def _random(self, name: str) -> random.Random:
        return random.Random(f"{self.outcome.seed}/{name}")  # noqa: S311 -- not for secrets

    @contextmanager
    def _patched(self) -> Iterator[None]:
        """Seed what is random, replace requests to servers, and forget the blocks of a process that was killed."""
        state, tokens = random.getstate(), self._random("tokens")
        random.seed(self.outcome.seed)  # the jitter of boto3's retries
        fresh = common.aws.interrupts._Signals()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(secrets, "token_hex", lambda length: f"{tokens.getrandbits(8 * length):0{2 * length}x}")
            patch.setattr(common.aws.interrupts, "_unfinished", {})
            patch.setattr(common.aws.interrupts, "_signals", fresh)
            patch.setattr(common.runtimes.fargate, "PROBE_INTERVAL_S", 0.5)
            patch.setattr(common.runtimes.fargate, "responds", self._responds)
            patch.setattr(common.runtimes.fargate, "fetch_body", self._fetch_body)
            handler = signal.getsignal(signal.SIGINT)
            try:
                yield
            finally:
                for number, before in fresh.previous.items():
                    signal.signal(number, before)
                signal.signal(signal.SIGINT, handler)
                random.setstate(state)

    def _responds(self, url: str, **_: object) -> bool:
        time.sleep(0.01)
        return not self.network.faults.outage("network") and self.ecs.serving(str(urlsplit(url).hostname))

    def _fetch_body(self, url: str, _: str) -> bytes | None:
        time.sleep(0.01)
        reachable = not self.network.faults.outage("network")
        return b"{}" if reachable and self.ecs.result_ready(str(urlsplit(url).hostname)) else None


@dataclass(kw_only=True)
class _WatchedEcs(SimulatedEcs):
    """Tells its scenario which tasks are stopped, before their tags are deleted."""

    scenario: Scenario

    def _stop(self, task: Json, *, code: str, reason: str) -> None:
        if code == "UserInitiated":
            self.scenario.stopped(task)
        super()._stop(task, code=code, reason=reason)
