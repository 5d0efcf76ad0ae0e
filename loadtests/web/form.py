"""The checks of the web UI's form, which Locust itself does not make."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from flask import Flask, Response, jsonify, request
from locust import User
from locust.argument_parser import timespan, ui_extra_args_dict
from locust.env import Environment
from locust.runners import STATE_RUNNING, STATE_SPAWNING, MasterRunner
from locust.web import WebUI

from common.errors import UsageError
from loadtests.scenarios.base import Scenario
from loadtests.scenarios.locust_users import scenario_of
from loadtests.timing.climbs import alone
from loadtests.users.http_user import HostError, KeepAliveUser, destination, set_user_count
from loadtests.users.options import number_from, options_of, whole_from

Parse = Callable[[str], object]
LOAD_FIELDS: dict[str, Parse] = {
    "user_count": whole_from(1, 10_000),
    "spawn_rate": number_from(0.001, 1_000_000),
    "run_time": timespan,
}
"""The parsers of the fields of every scenario."""
LOCUSTS_FIELDS = frozenset({*LOAD_FIELDS, "host", "user_classes", "shape_class", "profile"})
STACK_FIELDS = frozenset({"framework", "server", "image", "vcpu", "memory"})


def check_form(
    environment: Environment, fields: dict[str, Parse], bring_up: Callable[[], str | None] = lambda: None
) -> None:
    """Refuse the form, with the reason next to its button, if a field or the choice of classes is invalid.

    ``fields`` are the parsers of the form's fields; an empty field keeps its default, and one that the scenario does
    not take is ignored. ``bring_up`` brings up what is to be loaded, once the form is known to be valid, and returns
    why it cannot. A test under way goes on until then.
    """
    web_ui = web_ui_of(environment)

    def before() -> Response | None:
        if request.endpoint != "locust.swarm" or request.method != "POST":
            return None
        names = request.form.getlist("user_classes")
        if not names and not web_ui.userclass_picker_is_active:
            names = scenario_class(environment, request.form)
        reason = refusal(environment, request.form, fields | LOAD_FIELDS, names)
        if reason is None:
            _leave_out_untaken(environment, fields, names)
            reason = bring_up()
        if reason is not None:
            return jsonify({"success": False, "message": reason, "host": environment.host})
        if (classes := _chosen(environment, names)) != environment.user_classes:
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
        known = {one.__name__: one for one in environment.user_classes}
        environment.available_user_classes = cast("dict[str, User]", known)  # annotated as users, which they are not
        environment.user_classes = _chosen(environment, scenario_class(environment, {}))


def scenario_class(environment: Environment, form: Mapping[str, str]) -> list[str]:
    """Return the name of the class of the scenario that is chosen; none where Locust was given classes by name."""
    chosen = form.get("scenario") or options_of(environment).scenario
    known = cast("dict[str, type[User]]", environment.available_user_classes or {})
    plain = [one for one in known.values() if issubclass(one, KeepAliveUser)]
    return [one.__name__ for one in plain if scenario_of(one).name() == chosen]


def refusal(
    environment: Environment, form: Mapping[str, str], fields: Mapping[str, Parse], names: Sequence[str]
) -> str | None:
    """Return why the form is refused; ``None`` if it is valid."""
    try:
        classes = _chosen(environment, names)
        _refuse_unknown(environment, form)
        taken = _taken(classes)
        for name, parse in fields.items():
            if form.get(name) and name in taken:
                _parse(name, parse, form[name])
        alone(classes, distributed=isinstance(environment.runner, MasterRunner))
        if any(issubclass(user, KeepAliveUser) for user in classes):
            destination(form.get("host") or environment.host or "")
    except (UsageError, HostError) as error:
        return str(error)
    return None


def _refuse_unknown(environment: Environment, form: Mapping[str, str]) -> None:
    """Raise ``UsageError`` if the form has other fields than Locust shows: it would set any option of its own."""
    known = LOCUSTS_FIELDS | set(ui_extra_args_dict())
    known |= STACK_FIELDS if options_of(environment).switchboard else frozenset()
    if unknown := sorted(set(form) - known):
        raise UsageError(f"{unknown[0]} is not a field of this form. Accepted: {', '.join(sorted(known))}.")


def _taken(classes: Sequence[type[User]]) -> set[str]:
    return {name for one in classes for name in fields_of(scenario_of(one))} | set(LOAD_FIELDS)


def _leave_out_untaken(environment: Environment, fields: Mapping[str, Parse], names: Sequence[str]) -> None:
    """Leave out of the form what the scenario does not take, and numbers left empty, which Locust would convert."""
    out = set(fields) - _taken(_chosen(environment, names))
    out |= {name for name in ("rate", "delay_ms") if not request.form.get(name)}
    kept = [(name, value) for name, value in request.form.items(multi=True) if name not in out]
    request.form = type(request.form)(kept)


def fields_of(scenario: type[Scenario]) -> set[str]:
    """Return which of the form's fields a scenario takes."""
    found = {"rate": scenario.open_loop, "delay_ms": scenario.sleeps, "objective": scenario.climbs is not None}
    return {name for name, taken in found.items() if taken}


def _parse(name: str, parse: Parse, text: str) -> None:
    try:
        parse(text)
    except ArgumentTypeError as error:
        raise UsageError(f"{name}: {error}.") from error


def _chosen(environment: Environment, names: Sequence[str]) -> list[type[User]]:
    """Return the classes that the form names; without any, those that run or all, as Locust itself does."""
    assert environment.runner is not None
    if not environment.available_user_classes or (
        not names and environment.runner.state in {STATE_RUNNING, STATE_SPAWNING}
    ):
        return environment.user_classes
    known = cast("dict[str, type[User]]", environment.available_user_classes)  # Locust annotates it as users
    return [user for name, user in known.items() if name in names or not names]
