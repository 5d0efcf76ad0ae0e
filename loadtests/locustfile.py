"""The locustfile: the user classes of all scenarios, and the options that they and the timed window take."""

import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import gevent
import psutil
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from common.contract import MAX_DELAY_MS
from common.errors import BenchmarkError, UsageError
from common.records.load import Objective
from loadtests.scenarios.locust_users import chosen_by_option, user_classes
from loadtests.scenarios.scenario import DELAY_MS, MOST_USERS, MOST_USERS_IN_ALL
from loadtests.scenarios.workloads import SCENARIOS
from loadtests.timing import window
from loadtests.timing.climbs import climb, climbing, log_step, staircase_of, users_of, window_s
from loadtests.timing.distributed import Follower, Leader
from loadtests.timing.worker_reports import write_totals
from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.http_user import HostError, KeepAliveUser, destination
from loadtests.users.loops import loop_of
from loadtests.users.open_loop import OpenLoop
from loadtests.users.options import TagError, keep_tagged, number_from, options_of
from loadtests.web.form import check_form, start_with_one_scenario, web_ui_of
from loadtests.web.guard import guard

globals().update(user_classes())


def add_options(parser: LocustArgumentParser) -> None:
    """Add our options to Locust's; those of the scenarios also appear in the web UI."""
    add: Callable[..., Any] = parser.add_argument
    number = number_from(0, 3600)
    add("--scenario", choices=list(SCENARIOS), default="hello", help="the workload, where no class is named")
    add("--delay-ms", type=_delay_ms, default=DELAY_MS, help="milliseconds of sleep, mixed and sleepers")
    add("--objective", type=_objective, default=None, help="what each step of ramp and sleepers holds, as p99<50ms")
    # Options are sent to workers, so their values must be plain types.
    hidden = {"include_in_web_ui": False}
    add("--tally-file", help="write exact counts of all workers to this file at the end", **hidden)
    add("--cores", type=_cores, default=(), help="cores to pin the generator to, such as 1 or 1,2", **hidden)
    add("--switchboard", default="", help="the folder where make web and its form tell each other the stack", **hidden)
    add("--left-s", type=number, default=120.0, help="seconds without a page after which a test is ended", **hidden)
    add("--stack-runtime", default="process", help="the runtime of those stacks", **hidden)
    window.add_options(parser)


def prepare(environment: Environment, **_: object) -> None:
    """Pin the process, and start the timed window if one is requested; invalid options end the process."""
    options = options_of(environment)
    try:
        _choose_by_scenario(environment)
        if options.processes or not isinstance(environment.runner, WorkerRunner):  # workers get their master's tags
            keep_tagged(environment)
        ours = [issubclass(user, KeepAliveUser) for user in environment.user_classes]
        if environment.host and (any(ours) if options.headless else all(ours)):  # its form chooses classes
            destination(environment.host)
        if options.cores:
            os.sched_setaffinity(0, options.cores)
        if options.tally_file and not isinstance(environment.runner, WorkerRunner):
            write = partial(write_totals, environment, Path(options.tally_file))
            environment.events.quit.add_listener(write)  # type: ignore[no-untyped-call]
        if environment.web_ui is not None:
            _prepare_web_ui(environment, is_ours=bool(options.switchboard))
        if options.headless or len(environment.user_classes) == 1:
            climbing(environment)
        if isinstance(environment.runner, WorkerRunner):
            Follower(environment.runner, partial(_loop_in_use, environment), options.cores)
        elif options.window_file:
            gevent.spawn(measure, environment, _measurement(environment, _kind(environment)))
    except (BenchmarkError, HostError, TagError) as error:
        print(error, file=sys.stderr)  # noqa: T201 -- this is a command's error message
        _exit(environment, getattr(error, "exit_status", UsageError.exit_status))


def _choose_by_scenario(environment: Environment) -> None:
    """Let ``--scenario`` choose what runs headless if no class is named; workers follow their master."""
    options = options_of(environment)
    if options.headless and not options.user_classes and not isinstance(environment.runner, WorkerRunner):
        environment.user_classes = chosen_by_option(environment.user_classes, options.scenario)


def _exit(environment: Environment, status: int) -> NoReturn:
    """Exit, and first end the workers of ``--processes``: one that has yet to connect would try for minutes."""
    if isinstance(environment.runner, MasterRunner):
        for worker in psutil.Process().children():
            worker.terminate()
    sys.exit(status)


def _prepare_web_ui(environment: Environment, *, is_ours: bool) -> None:
    """Add our checks to the web UI, and our page where ``make web`` started it."""
    start_with_one_scenario(environment)
    if is_ours:
        from loadtests.web import pages  # noqa: PLC0415 -- a timed window has no use for it, and must not wait

        bring_up = partial(pages.bring_up, pages.open_live(environment))
        check_form(environment, most_users=MOST_USERS, more=pages.STACK_FIELDS, bring_up=bring_up)
    else:
        check_form(environment, most_users=MOST_USERS_IN_ALL)
    guard(web_ui_of(environment))


def _measurement(environment: Environment, kind: type[ClosedLoop]) -> Callable[[window.WindowPlan], object]:
    """Return the function that measures the window: by a master's workers, or by this process's loop."""
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        rate_rps = options_of(environment).rate if kind is OpenLoop else 0.0
        return Leader(runner, rate_rps).run
    assert isinstance(runner, LocalRunner)
    return partial(_measure, environment, runner, kind)


def measure(environment: Environment, measurement: Callable[[window.WindowPlan], object]) -> None:
    """Measure the window and end the process, with status 0 if a record was written, whatever it says."""
    runner = environment.runner
    assert runner is not None
    try:
        measurement(window.plan_of(options_of(environment)))
        environment.process_exit_code = 0
    except Exception:
        environment.process_exit_code = 1
        raise
    finally:
        runner.quit()


def _measure(environment: Environment, runner: LocalRunner, kind: type[ClosedLoop], plan: window.WindowPlan) -> None:
    loop, users, scenario = loop_of(environment, kind), users_of(runner), climbing(environment)
    if scenario is None:
        longest_s = max(plan.warmup_s, plan.most_warmup_s) + plan.window_s
        window.run(plan, lambda: window.measure(plan, loop, users), longest_s)
        return
    plan = replace(plan, window_s=window_s(options_of(environment)))
    stairs = staircase_of(environment, scenario, plan)
    window.run(plan, lambda: climb(stairs, plan, loop, users, log_step), stairs.longest_s(plan))


def _kind(environment: Environment) -> type[ClosedLoop]:
    kinds = {user.loop_class for user in environment.user_classes if issubclass(user, KeepAliveUser)}
    if len(kinds) != 1:
        raise UsageError("--window-file measures one kind of loop. Name only closed-loop or only open-loop classes.")
    return kinds.pop()


def _loop_in_use(environment: Environment) -> ClosedLoop:
    """Return the loop of a worker's users, whose class its master chose."""
    assert environment.runner is not None
    names = {name for name, users in environment.runner.user_classes_count.items() if users}
    chosen = (user for user in environment.user_classes if user.__name__ in names and issubclass(user, KeepAliveUser))
    return loop_of(environment, next((user.loop_class for user in chosen), ClosedLoop))


def _objective(text: str) -> str:
    try:
        Objective.parse(text)
    except UsageError as error:
        raise ArgumentTypeError(str(error)) from error
    return text


def _delay_ms(text: str) -> int:
    return int(number_from(0, MAX_DELAY_MS)(text))


def _cores(text: str) -> tuple[int, ...]:
    available = os.sched_getaffinity(0)
    cores = window.numbers(text)
    if not cores or not available.issuperset(cores):
        raise ArgumentTypeError(f"invalid cores {text}: must be some of {','.join(map(str, sorted(available)))}")
    return cores


events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]
events.init.add_listener(prepare)  # type: ignore[no-untyped-call]
