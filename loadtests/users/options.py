"""The options that our users add to Locust's, on the command line and in the web UI."""

import math
import re
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from .arrivals import MOST_RPS, Arrivals

LOWEST_RPS = 0.001
NUMBER = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)


def add_options(parser: LocustArgumentParser) -> None:
    """Add our options to Locust's."""
    add: Callable[..., Any] = parser.add_argument
    add(
        "--rate",
        type=rate,
        default=100.0,
        help="total arrivals per second of an open loop (Rate, Ramp)",
    )
    add(
        "--arrivals",
        choices=[kind.value for kind in Arrivals],
        default=Arrivals.CONSTANT.value,
        help="gaps between arrivals: constant, or exponential as in a Poisson process",
    )
    add("--per-request-events", action="store_true", help="fire events.request for each response, for plugins (slower)")
    # Options are sent to workers, so their values must be plain types.
    hidden = {"include_in_web_ui": False}
    add("--arrival-seed", type=int, default=None, help="seed of Poisson arrivals", **hidden)
    add("--connections-in-all", type=int, default=None, help="set by a master for its workers", **hidden)


def options_of(environment: Environment) -> Namespace:
    """Return the options that Locust was started with, including changes made in the web UI."""
    options: Namespace | None = environment.parsed_options
    assert options is not None
    return options


def number_from(low: float, high: float) -> Callable[[str], float]:
    """Return an option type: a number within these bounds, written in ASCII digits and without underscores."""

    def number(text: str) -> float:
        value = float(text) if NUMBER.fullmatch(text) else math.nan
        if not low <= value <= high:
            raise ArgumentTypeError(f"invalid value {text}: must be a number from {low:g} to {high:g}")
        return value

    return number


rate = number_from(LOWEST_RPS, MOST_RPS)
"""The option type for arrivals per second."""

events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]


class TagError(ValueError):
    """The tags leave no task; the message lists the tags that exist."""


def keep_tagged(environment: Environment) -> None:
    """Remove tasks by tag, as Locust does at the start of a test, and then classes without tasks.

    Raise ``TagError`` if no class is left: Locust itself would go on with users that cannot do anything.
    """
    classes = environment.user_classes
    known = sorted({tag for user in classes for task in user.tasks for tag in getattr(task, "locust_tag_set", ())})
    environment._filter_tasks_by_tags()  # noqa: SLF001 -- there is no public way before a test starts
    environment.user_classes = [user for user in classes if user.tasks]
    if classes and not environment.user_classes:
        names = ", ".join(user.__name__ for user in classes)
        raise TagError(f"--tags and --exclude-tags leave no task of {names}. Known tags: {', '.join(known)}.")
