"""The checks of the web UI's form, which Locust itself does not make."""

from argparse import SUPPRESS, Action, ArgumentTypeError
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import cast

from flask import Flask, Response, jsonify, request
from locust import User
from locust.argument_parser import default_args_dict, get_parser
from locust.env import Environment
from locust.runners import STATE_RUNNING, STATE_SPAWNING, MasterRunner
from locust.util.timespan import parse_timespan
from locust.web import WebUI

from common.errors import UsageError
from loadtests.scenarios.locust_users import scenario_of
from loadtests.scenarios.scenario import MOST_USERS_IN_ALL, Scenario
from loadtests.timing.climbs import alone
from loadtests.users.http_user import HostError, KeepAliveUser, destination, set_user_count
from loadtests.users.options import number_from, options_of

Parse = Callable[[str], object]
SOMETIMES = frozenset({"rate", "delay_ms", "objective"})
"""Fields that only some scenarios take; the others ignore them."""
REQUIRED = ("user_count", "spawn_rate")
LONGEST_COUNT = 9
"""Digits of a count that are read: Python refuses to read thousands of them."""


def check_form(
    environment: Environment,
    *,
    most_users: int,
    more: Collection[str] = (),
    bring_up: Callable[[Sequence[type[User]]], str | None] = lambda _: None,
) -> None:
    """Refuse the form, with the reason next to its button, if a field or the choice of classes is invalid.

    It has Locust's own fields, the options that Locust shows on it, and ``more`` of any text. An empty field has its
    default, and so has one that the scenario does not take. ``bring_up`` brings up what the chosen classes are to
    load, once the form is known to be valid, and returns why it cannot; a running test goes on until then.
    """
    web_ui = web_ui_of(environment)
    every, hidden = get_parser(default_config_files=[]).args_included_in_web_ui, default_args_dict()
    options = {name: option for name, option in every.items() if name not in hidden and option.default is not SUPPRESS}
    checks = {name: partial(_check_option, option) for name, option in options.items()}
    fields = checks | _own_fields(most_users) | dict.fromkeys(more, str)

    def before() -> Response | None:
        if request.method != "POST" or not request.path.endswith("/swarm"):
            return None
        names = request.form.getlist("user_classes")
        if not names and not web_ui.userclass_picker_is_active:
            names = scenario_class(environment, request.form)
        reason = refusal(environment, request.form, fields, names) or bring_up(_chosen(environment, names))
        if reason is not None:
            return jsonify({"success": False, "message": reason, "host": environment.host})
        classes = _chosen(environment, names)
        ignored = SOMETIMES - _taken(classes)
        given = request.form.items(multi=True)
        read = [(name, _default(options.get(name)) if name in ignored or not text else text) for name, text in given]
        request.form = type(request.form)(read)
        if classes != environment.user_classes:
            stop_test(environment)  # Locust cannot exchange the classes of a test under way
        if not web_ui.userclass_picker_is_active:
            environment.user_classes = classes
        set_user_count(environment, request.form.get("user_count", ""))
        return None

    app_of(environment).before_request(before)


def stop_test(environment: Environment) -> None:
    """Stop the test under way, if there is one."""
    runner = environment.runner
    if runner is not None and runner.state in {STATE_RUNNING, STATE_SPAWNING}:
        runner.stop()


def web_ui_of(environment: Environment) -> WebUI:
    """Return the web UI, which has to be there."""
    assert environment.web_ui is not None
    return environment.web_ui


def app_of(environment: Environment) -> Flask:
    """Return the web UI's app."""
    app = web_ui_of(environment).app
    assert app is not None
    return app


def start_with_one_scenario(environment: Environment) -> None:
    """Have START work at once: without a class picker the form's scenario decides, and one class is ready."""
    if not web_ui_of(environment).userclass_picker_is_active and len(environment.user_classes) > 1:
        known = {user.__name__: user for user in environment.user_classes}
        environment.available_user_classes = cast("dict[str, User]", known)  # annotated as users, which they are not
        environment.user_classes = _chosen(environment, scenario_class(environment, {}))


def scenario_class(environment: Environment, form: Mapping[str, str]) -> list[str]:
    """Return the name of the class of the scenario that is chosen; none where Locust was given classes by name."""
    chosen = form.get("scenario") or options_of(environment).scenario
    known = cast("dict[str, type[User]]", environment.available_user_classes or {})
    plain = [user for user in known.values() if issubclass(user, KeepAliveUser)]
    return [user.__name__ for user in plain if scenario_of(user).name() == chosen]


def refusal(
    environment: Environment, form: Mapping[str, str], fields: Mapping[str, Parse], names: Sequence[str]
) -> str | None:
    """Return why the form is refused; ``None`` if it is valid."""
    try:
        classes = _chosen(environment, names)
        ignored = SOMETIMES - _taken(classes)
        for name, text in form.items():
            _check_field(name, "" if name in ignored else text, fields)
        _check_required(form)
        alone(classes, distributed=isinstance(environment.runner, MasterRunner))
        if any(issubclass(user, KeepAliveUser) for user in classes):
            destination(form.get("host") or environment.host or "")
    except (UsageError, HostError) as error:
        return str(error)
    return None


def fields_of(scenario: type[Scenario]) -> set[str]:
    """Return which of the form's fields a scenario takes."""
    found = {"rate": scenario.open_loop, "delay_ms": scenario.sleeps, "objective": scenario.climbs is not None}
    return {name for name, taken in found.items() if taken}


def _own_fields(most_users: int) -> dict[str, Parse]:
    """Return the parsers of Locust's own fields; the choice of classes and the host are checked as a whole."""
    free = dict.fromkeys(("host", "user_classes", "shape_class", "profile"), str)
    return {
        **free,
        "user_count": _count(most_users),
        "spawn_rate": number_from(0.001, MOST_USERS_IN_ALL),
        "run_time": _time,
    }


def _count(most: int) -> Parse:
    def count(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:LONGEST_COUNT]) <= most):
            raise ArgumentTypeError(f"invalid value {text}: must be a whole number from 1 to {most:,}")
        return int(text)

    return count


def _time(text: str) -> int:
    try:
        return int(parse_timespan(text))
    except ValueError as error:
        raise ArgumentTypeError(f"invalid value {text}: must be a time such as 20, 20s, 3m or 1h30m") from error


def _check_option(option: Action, text: str) -> None:
    if option.nargs == 0:
        known: Sequence[str] = ("true", "false")
    else:
        known = [*(option.choices or ())]
        if callable(option.type):
            option.type(text)
    if known and text not in known:
        raise ArgumentTypeError(f"invalid value {text}: must be one of {', '.join(known)}")


def _check_field(name: str, text: str, fields: Mapping[str, Parse]) -> None:
    if name not in fields:
        raise UsageError(f"{name} is not a field of this form. Accepted: {', '.join(sorted(fields))}.")
    try:
        if text:
            fields[name](text)
    except (ArgumentTypeError, ValueError) as error:
        raise UsageError(f"{name}: {error}.") from error


def _check_required(form: Mapping[str, str]) -> None:
    if missing := [name for name in REQUIRED if not form.get(name)]:
        raise UsageError(f"{missing[0]} is missing: this form needs {' and '.join(REQUIRED)}.")


def _taken(classes: Sequence[type[User]]) -> set[str]:
    return {name for user in classes for name in fields_of(scenario_of(user))}


def _default(option: Action | None) -> str:
    return "" if option is None or option.default is None else str(option.default)


def _chosen(environment: Environment, names: Sequence[str]) -> list[type[User]]:
    """Return the classes that the form names; without any, those that run or all, as Locust itself does."""
    assert environment.runner is not None
    if not environment.available_user_classes or (
        not names and environment.runner.state in {STATE_RUNNING, STATE_SPAWNING}
    ):
        return environment.user_classes
    known = cast("dict[str, type[User]]", environment.available_user_classes)  # Locust annotates it as users
    return [user for name, user in known.items() if name in names or not names]
