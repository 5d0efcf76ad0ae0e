"""The web UI's form: the choice of the stack, and the checks of its values, which Locust itself does not make."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec
from flask import Flask, Response, jsonify, request
from locust import User
from locust.env import Environment
from locust.runners import STATE_RUNNING, STATE_SPAWNING, MasterRunner
from locust.web import WebUI

from common.catalog.frameworks import Interface, frameworks
from common.catalog.servers import DEFAULTS, SERVERS
from common.catalog.sizes import Runtime
from common.catalog.stacks import DEFAULT, images
from common.errors import UsageError
from common.words import one_of
from loadtests.scenarios.base import Scenario
from loadtests.scenarios.locust_users import scenario_of
from loadtests.timing.climbs import alone
from loadtests.users.http_user import HostError, KeepAliveUser, destination, set_user_count
from loadtests.users.options import options_of
from loadtests.web.guard import guard
from loadtests.web.switchboard import Offer, State, Wanted

Parse = Callable[[str], object]


def check_form(environment: Environment, fields: Mapping[str, Parse]) -> None:
    """Refuse the form, with the reason next to its button, if a field or the choice of classes is invalid.

    ``fields`` are the parsers of the form's fields; an empty field keeps its default, and one that the scenario does
    not take is ignored.
    """
    web_ui = web_ui_of(environment)

    def before() -> Response | None:
        if request.method != "POST" or not request.path.endswith("/swarm"):
            return None
        names = request.form.getlist("user_classes")
        if not names and not web_ui.userclass_picker_is_active:
            names = scenario_class(environment, request.form)
        reason = refusal(environment, request.form, fields, names)
        if reason is not None:
            return jsonify({"success": False, "message": reason, "host": environment.host})
        if not web_ui.userclass_picker_is_active:
            environment.user_classes = _chosen(environment, names)
        set_user_count(environment, request.form.get("user_count", ""))
        return None

    app_of(environment).before_request(before)


def web_ui_of(environment: Environment) -> WebUI:
    """Return the web UI, which has to be there."""
    assert environment.web_ui is not None
    return environment.web_ui


def app_of(environment: Environment) -> Flask:
    """Return the web UI's app."""
    app = web_ui_of(environment).app
    assert app is not None
    return app


def guard_web_ui(environment: Environment) -> None:
    """Guard every route of the web UI, Locust's and ours, before any other hook."""
    host = web_ui_of(environment).host
    guard(app_of(environment), [host] if host else [])


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
        taken = {name for one in classes for name in fields_of(scenario_of(one))}
        for name, parse in fields.items():
            if form.get(name) and name in taken:
                _parse(name, parse, form[name])
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


def choices(offer: Offer, runtime: Runtime) -> dict[str, list[str] | None]:
    """Return what can be chosen by the fields' names; ``None`` for free text, nothing where it has no meaning.

    What is up is among the frameworks, also if it is one at another version or in a folder of the user's own.
    """
    docker = runtime is Runtime.DOCKER
    return {
        "framework": sorted({*frameworks(), *([offer.cell.framework] if offer.cell else [])}),
        "server": [DEFAULT, *SERVERS],
        "image": list(images()) if docker else [],
        "memory": None if docker else [],
    }


def fields(offer: Offer, runtime: Runtime) -> dict[str, dict[str, object]]:
    """Return the fields for the stack in the form that Locust's page takes, filled in with what is up."""
    offered = choices(offer, runtime)
    plain = {"is_secret": False, "is_required": False, "is_multiple": False}
    found: dict[str, dict[str, object]] = {}
    for name, (value, about) in {
        "framework": (offer.cell.framework if offer.cell else "", "the framework to load; START brings it up"),
        "server": (_server_shown(offer), "its server, or default"),
        "image": (offer.cell.image if offer.cell else "", "the base image of its container"),
        "vcpu": (f"{offer.size.vcpu:g}", "vCPUs of the server, such as 0.5"),
        "memory": ((offer.wanted and offer.wanted.memory) or "", "its memory limit, such as 512m; empty for none"),
    }.items():
        if offered.get(name) != []:
            found[name] = {**plain, "default_value": value, "help_text": about, "choices": offered.get(name)}
    return found


def wanted_of(form: Mapping[str, str], offer: Offer, runtime: Runtime) -> Wanted | None:
    """Return the stack that the form names; ``None`` where it names none, or the one that is up.

    Raise ``UsageError`` if the framework is unknown.
    """
    if not (name := form.get("framework")):
        return None
    docker, known = runtime is Runtime.DOCKER, offer.cell is not None and name == offer.cell.framework
    wanted = Wanted(
        number=0,
        framework=name if known else one_of(name, frameworks(), variable="FRAMEWORK"),
        server=form.get("server") or DEFAULT,
        image=(form.get("image") or None) if docker else None,
        vcpu=form.get("vcpu") or f"{offer.size.vcpu:g}",
        memory=(form.get("memory") or None) if docker else None,
    )
    present = offer.wanted and msgspec.structs.replace(offer.wanted, number=0)
    is_same = offer.state is State.UP and (wanted == present or _is_first(wanted, offer))
    return None if is_same else wanted


def _server_shown(offer: Offer) -> str:
    """Return the server on the form: ``default`` where it is that of the framework, so that another one fits too."""
    if offer.wanted is not None or offer.cell is None:
        return offer.wanted.server if offer.wanted else DEFAULT
    return DEFAULT if DEFAULTS[Interface(offer.cell.interface)] == offer.cell.server else offer.cell.server


def _is_first(wanted: Wanted, offer: Offer) -> bool:
    """Return whether a form asks for the stack that the command itself brought up."""
    cell = offer.cell
    return (
        offer.wanted is None
        and cell is not None
        and (wanted.framework, wanted.image or cell.image) == (cell.framework, cell.image)
        and wanted.server in {cell.server, DEFAULT}
        and (wanted.vcpu, wanted.memory) == (f"{offer.size.vcpu:g}", None)
    )
