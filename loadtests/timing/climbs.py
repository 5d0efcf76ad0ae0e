"""Climbs in steps of load on one server, each with its own window, until an objective breaks: ``ramp``, ``sleepers``.

Locust runs them in a timed window, headless, or from the web UI.
"""

import logging
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from weakref import WeakKeyDictionary

import gevent
from locust import User, events
from locust.env import Environment
from locust.runners import STATE_RUNNING, LocalRunner
from msgspec.structs import replace

from common.errors import UsageError
from common.host.meters import private_bytes
from common.records.load import Objective
from common.records.window import Load, LoadStep
from loadtests.analysis.climbing import DELAYS, MOST_STEPS, SETTLE_DELAYS, broken, knee, next_target, unsent
from loadtests.scenarios.locust_users import scenario_of
from loadtests.scenarios.scenario import Climb
from loadtests.timing.window import NotOpenError, WindowPlan, empty_window, observe, wait, wait_for_others, wait_open
from loadtests.users.arrivals import MOST_RPS
from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.http_user import KeepAliveUser, open_loop_of
from loadtests.users.loops import loop_of
from loadtests.users.open_loop import OpenLoop
from loadtests.users.options import options_of

MOST_SLEEPERS = 10_000
SETTLE_S = 0.5
DRAIN_S = 10.0
"""The time limit for the requests left over from a broken step."""

_climbs: "WeakKeyDictionary[Environment, gevent.Greenlet[..., None]]" = WeakKeyDictionary()

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staircase:
    """The set-up of a step's load, and the objective that it must meet."""

    objective: Objective
    first: float
    most: float
    settle_s: float
    """The time under load before each step's window, which is not counted."""
    apply: Callable[[float], None]
    """Sets the load to a target, and returns once it is reached; ``NotOpenError`` if it cannot be."""
    of_connections: bool = False
    """Whether targets are numbers of connections, which each step opens."""

    def longest_s(self, plan: WindowPlan) -> float:
        """Return the longest time that all steps can take, in seconds."""
        return plan.warmup_s + MOST_STEPS * (plan.opening_s + self.settle_s + plan.window_s + DRAIN_S)


def climb(
    stairs: Staircase, plan: WindowPlan, loop: ClosedLoop, users: Callable[[], int], report: Callable[[LoadStep], None]
) -> Load:
    """Return the record of the highest step that held, or else of the first that was measured; it lists all steps."""
    try:
        # A first target of too many connections is a step that breaks, not the end of the climb.
        with suppress(NotOpenError) if stairs.of_connections else nullcontext():
            wait_open(loop, users, plan.opening_s)
        wait_for_others(plan)
        wait(plan.warmup_s)
    except NotOpenError as error:
        return empty_window(plan, loop, users(), str(error))
    best: Load | None = None
    steps: list[LoadStep] = []
    while (target := _next(stairs, steps)) is not None:
        load, lost = _attempt(stairs, plan, loop, users, target)
        steps.append(_step(stairs, plan, target, load))
        report(steps[-1])
        if steps[-1].broken is None and target == max(step.target for step in steps if step.broken is None):
            best = load
        if best is None or best.server_gone is not None:
            best = load
        if lost:
            break
        if steps[-1].broken is not None:
            drain(loop)
    assert best is not None
    return replace(best, steps=steps)


def _attempt(
    stairs: Staircase, plan: WindowPlan, loop: ClosedLoop, users: Callable[[], int], target: float
) -> tuple[Load, bool]:
    """Return the window of a step, which is empty if its load could not be reached, and whether the server is lost."""
    try:
        stairs.apply(target)
    except NotOpenError as error:
        return empty_window(plan, loop, users(), str(error)), not loop.ready
    wait(stairs.settle_s)
    load = observe(plan, loop, users())
    return load, load.server_gone is not None


def drain(loop: ClosedLoop) -> None:
    """Let an open loop's server recover from a step that overloaded it."""
    if not isinstance(loop, OpenLoop):
        return
    loop.pace(0)
    loop.forget_waiting()
    deadline_s = perf_counter() + DRAIN_S
    while loop.in_flight and perf_counter() < deadline_s:
        gevent.sleep(0.01)


def _next(stairs: Staircase, steps: Sequence[LoadStep]) -> float | None:
    tried = [(step.target, step.broken is None) for step in steps]
    return next_target(tried, first=stairs.first, most=stairs.most, whole=stairs.of_connections)


def _step(stairs: Staircase, plan: WindowPlan, target: float, load: Load) -> LoadStep:
    return LoadStep(
        target=target,
        throughput_rps=load.requests / load.duration_s if load.duration_s else 0.0,
        requests=load.requests,
        p50_s=load.latency_s.p50 if load.latency_s else None,
        p99_s=load.latency_s.p99 if load.latency_s else None,
        unsent=unsent(load),
        failures=sum(load.failures.values()),
        generator_cpu_share=load.generator_cpu_s / load.duration_s if load.duration_s else 0.0,
        generator_run_delay_share=(load.generator_run_delay_s or 0.0) / load.duration_s if load.duration_s else 0.0,
        memory_bytes=private_bytes(plan.meter),
        broken=broken(stairs.objective, load),
    )


def climbing(environment: Environment) -> type[User] | None:
    """Return the chosen class that climbs, if any; ``UsageError`` with other classes or several processes."""
    return alone(environment.user_classes, distributed=not isinstance(environment.runner, LocalRunner))


def alone(classes: Sequence[type[User]], *, distributed: bool) -> type[User] | None:
    """Return the one of ``classes`` that climbs, if any; ``UsageError`` as in ``climbing``."""
    chosen = [user for user in classes if scenario_of(user).climbs]
    if chosen and len(classes) > 1:
        raise UsageError(f"{chosen[0].__name__} sets the load itself and runs alone. Choose no other class with it.")
    if chosen and distributed:
        raise UsageError(f"{chosen[0].__name__} measures one process. Leave out --processes, --master and --worker.")
    return chosen[0] if chosen else None


def staircase_of(environment: Environment, user: type[User], plan: WindowPlan) -> Staircase:
    """Return the steps of a class that climbs, as the options describe them."""
    scenario = scenario_of(user)
    options = options_of(environment)
    objective = Objective.parse(options.objective) if options.objective else None
    objective = objective or scenario.default_objective(int(options.delay_ms))
    assert objective is not None, f"{scenario.__name__} climbs without an objective"
    stairs = _ramp if scenario.climbs is Climb.RATE else _sleepers
    return stairs(environment, plan, objective)


def users_of(runner: LocalRunner) -> Callable[[], int]:
    """Return a function that returns the number of users once all are spawned, and 0 before."""
    return lambda: runner.user_count if runner.state == STATE_RUNNING else 0


def log_step(step: LoadStep) -> None:
    """Log a step; the web UI shows the log as well."""
    p99 = "-" if step.p99_s is None else f"{step.p99_s * 1000:.2f} ms"
    log.info("%g: %.0f req/s, p99 %s: %s", step.target, step.throughput_rps, p99, step.broken or "holds")


def climb_from_locust(environment: Environment, **_: object) -> None:
    """Climb when a test starts outside a timed window, and stop the test at the end."""
    options, runner = environment.parsed_options, environment.runner
    if options is None or getattr(options, "window_file", None):
        return
    try:
        if (scenario := climbing(environment)) is not None and isinstance(runner, LocalRunner):
            plan = _plan(options)
            stairs = staircase_of(environment, scenario, plan)
            _climbs[environment] = gevent.spawn(_climb, environment, runner, scenario, plan, stairs)
    except UsageError as error:
        log.error(error)  # noqa: TRY400 -- the message says all; no traceback


def stop_climbing(environment: Environment, **_: object) -> None:
    """Stop climbing when the test is stopped, since the next step would start users again."""
    climber = _climbs.pop(environment, None)
    if climber is not None and climber is not gevent.getcurrent():
        climber.kill(block=False)


def _plan(options: Namespace) -> WindowPlan:
    return WindowPlan(file=Path(), warmup_s=options.warmup_s, window_s=window_s(options), opening_s=options.opening_s)


def _climb(
    environment: Environment, runner: LocalRunner, scenario: type[User], plan: WindowPlan, stairs: Staircase
) -> None:
    assert issubclass(scenario, KeepAliveUser)
    loop: ClosedLoop = loop_of(environment, scenario.loop_class)
    load = climb(stairs, plan, loop, users_of(runner), log_step)
    log.info("%s: %s", scenario.__name__, load.server_gone or _outcome(knee(load.steps)))
    (runner.quit if options_of(environment).headless else runner.stop)()


def _outcome(highest: float | None) -> str:
    if highest is None:
        return "no step held the objective; begin lower, with --rate or -u"
    return f"the highest step that holds is {highest:g}"


def window_s(options: Namespace) -> float:
    """Return the length of a step's window, long enough for sleepers to sleep several times."""
    return max(float(options.window_s), DELAYS * int(options.delay_ms) / 1000)


def _ramp(environment: Environment, _: WindowPlan, objective: Objective) -> Staircase:
    options = options_of(environment)
    loop = open_loop_of(environment)
    return Staircase(
        objective=objective,
        first=options.rate,
        most=MOST_RPS,
        settle_s=SETTLE_S,
        apply=lambda rate_rps: loop.pace(rate_rps / max(1, loop.ready)),
    )


def _sleepers(environment: Environment, plan: WindowPlan, objective: Objective) -> Staircase:
    options, runner = options_of(environment), environment.runner
    assert isinstance(runner, LocalRunner)
    loop, delay_s = loop_of(environment), options.delay_ms / 1000

    def sleep_together(sleepers: float) -> None:
        count = round(sleepers)
        if runner.user_count != count:
            runner.start(count, spawn_rate=count)
        wait_open(loop, lambda: count if users_of(runner)() == count else 0, plan.opening_s)

    return Staircase(
        objective=objective,
        first=float(options.num_users or 1),
        most=MOST_SLEEPERS,
        settle_s=SETTLE_S + SETTLE_DELAYS * delay_s,
        apply=sleep_together,
        of_connections=True,
    )


events.test_start.add_listener(climb_from_locust)  # type: ignore[no-untyped-call]
events.test_stopping.add_listener(stop_climbing)  # type: ignore[no-untyped-call]
