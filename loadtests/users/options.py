"""Options of Locust's that our users take; the web UI asks for those that a user may set."""

from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from .arrivals import MOST_RPS, Arrivals

LOWEST_RPS = 0.001


def add_options(parser: LocustArgumentParser) -> None:
    """Add our options to Locust's."""
    add: Callable[..., Any] = parser.add_argument
    add(
        "--rate",
        type=rate,
        default=100.0,
        help="arrivals per second of an open loop (Rate, Ramp), in all",
    )
    add(
        "--arrivals",
        choices=[one.value for one in Arrivals],
        default=Arrivals.CONSTANT.value,
        help="how arrivals follow each other",
    )
    add("--per-request-events", action="store_true", help="fire events.request for each answer, for plugins (slower)")
    hidden = {"include_in_web_ui": False}  # and sent to workers with all others, so that they must be plain values
    add("--arrival-seed", type=int, default=None, help="seed of Poisson arrivals", **hidden)
    add("--connections-in-all", type=int, default=None, help="set by a master for its workers", **hidden)


def options_of(environment: Environment) -> Namespace:
    """The options that Locust was started with, as the web UI may have changed them since."""
    options: Namespace | None = environment.parsed_options
    assert options is not None
    return options


def number_from(low: float, high: float) -> Callable[[str], float]:
    """A type of option: a number in these bounds."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not low <= value <= high:
            raise ArgumentTypeError(f"{text!r} is not accepted: a number from {low:g} to {high:g} is")
        return value

    return number


rate = number_from(LOWEST_RPS, MOST_RPS)
"""A type of option: arrivals per second."""

events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]


class TagError(ValueError):
    """The tags leave nothing to do; the text says which there are."""


def keep_tagged(environment: Environment) -> None:
    """Leave out the tasks that the tags leave out, as Locust does at a test's start, and classes that have none then.

    ``TagError`` where no class is left: Locust would start users that cannot do anything, and go on.
    """
    classes = environment.user_classes
    known = sorted({tag for one in classes for task in one.tasks for tag in getattr(task, "locust_tag_set", ())})
    environment._filter_tasks_by_tags()  # noqa: SLF001 -- there is no other way to have it done before a test starts
    environment.user_classes = [one for one in classes if one.tasks]
    if classes and not environment.user_classes:
        names = ", ".join(one.__name__ for one in classes)
        raise TagError(f"--tags and --exclude-tags leave nothing of {names}. Known: {', '.join(known)}.")
