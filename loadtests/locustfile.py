"""What Locust loads: the scenarios, and the options that they and the timed window take."""

import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import STATE_RUNNING, LocalRunner

from common.errors import BenchmarkError, UsageError
from loadtests import window
from loadtests.http_user import destination, engine_of
from loadtests.scenarios import DELAY_MS, LONGEST_DELAY_MS, Hello, Mixed, Sleep

__all__ = ["Hello", "Mixed", "Sleep"]


def add_options(parser: LocustArgumentParser) -> None:
    """Add our options to Locust's; the scenarios' are asked for in the web UI as well."""
    add: Callable[..., Any] = parser.add_argument
    number = _number_from(0, 3600)
    add("--delay-ms", type=_delay_ms, default=DELAY_MS, help="how long /sleep is asked to sleep")
    add("--per-request-events", action="store_true", help="fire events.request for each answer, for plugins (slower)")
    hidden = {"include_in_web_ui": False}
    add("--window-file", type=Path, help="measure one timed window, write its record to this file, and end", **hidden)
    add("--warmup-s", type=number, default=1.0, help="seconds between all connections open and the window", **hidden)
    add("--window-s", type=number, default=2.0, help="seconds that the window lasts", **hidden)
    add("--opening-s", type=number, default=10.0, help="seconds that connections may take to be all open", **hidden)
    add("--gate", type=Path, help="a folder, where generators that begin together wait for each other", **hidden)
    add("--gate-of", type=int, default=1, help="how many generators wait for each other there", **hidden)
    add("--meter", default="", help="the server's CPU time: cgroup:PATH[,PATH] or tree:PID", **hidden)
    add("--cores", type=_cores, default=(), help="cores to pin the generator to, such as 1 or 1,2", **hidden)
    add("--server-cores", type=_numbers, default=(), help="cores that the server is pinned to, to watch", **hidden)


def prepare(environment: Environment, **_: object) -> None:
    """Pin the process, and start the timed window where one is asked for; what cannot work ends the process."""
    options = environment.parsed_options
    assert options is not None
    try:
        if environment.host:
            destination(environment.host)
        if options.cores:
            os.sched_setaffinity(0, options.cores)
        if options.window_file:
            gevent.spawn(measure, environment, _only_process(environment))
    except BenchmarkError as error:
        print(error, file=sys.stderr)  # noqa: T201 -- this is a command's error message
        sys.exit(error.exit_status)


def _only_process(environment: Environment) -> LocalRunner:
    if not isinstance(environment.runner, LocalRunner):
        raise UsageError("--window-file measures one process. Leave out --processes, --master and --worker.")
    return environment.runner


def measure(environment: Environment, runner: LocalRunner) -> None:
    """Measure the window and end the process: with status 0 if there is a record, whatever it says."""
    options = environment.parsed_options
    assert options is not None
    plan = window.Plan(
        file=options.window_file,
        warmup_s=options.warmup_s,
        window_s=options.window_s,
        opening_s=options.opening_s,
        meter=options.meter,
        gate=options.gate,
        gate_of=options.gate_of,
        cores=options.cores,
        server_cores=options.server_cores,
    )
    try:
        window.run(plan, engine_of(environment), lambda: runner.user_count if runner.state == STATE_RUNNING else 0)
        environment.process_exit_code = 0
    except Exception:
        environment.process_exit_code = 1
        raise
    finally:
        runner.quit()


def _number_from(low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not low <= value <= high:
            raise ArgumentTypeError(f"{text!r} is not accepted: a number from {low:g} to {high:g} is")
        return value

    return number


def _delay_ms(text: str) -> int:
    return int(_number_from(0, LONGEST_DELAY_MS)(text))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part.strip().isdecimal())


def _cores(text: str) -> tuple[int, ...]:
    there = os.sched_getaffinity(0)
    cores = _numbers(text)
    if not cores or not there.issuperset(cores):
        raise ArgumentTypeError(f"{text!r} is not accepted: some of {','.join(map(str, sorted(there)))} are")
    return cores


events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]
events.init.add_listener(prepare)  # type: ignore[no-untyped-call]
