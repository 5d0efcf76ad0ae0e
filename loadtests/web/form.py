"""Checks of the web UI's form before it starts or changes a test; Locust itself does not check its values."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from flask import Response, jsonify, request
from locust import User
from locust.env import Environment
from locust.runners import STATE_RUNNING, STATE_SPAWNING, MasterRunner

from common.errors import UsageError
from loadtests.timing.climbs import alone
from loadtests.users.arrival_user import set_user_count
from loadtests.users.http_user import HostError, KeepAliveUser, destination

Parse = Callable[[str], object]


def check_form(environment: Environment, fields: Mapping[str, Parse]) -> None:
    """Refuse the form, with the reason next to its button, if a field or the choice of classes is invalid.

    ``fields`` are the parsers of the form's fields; an empty field keeps its default.
    """

    def before() -> Response | None:
        if request.method != "POST" or not request.path.endswith("/swarm"):
            return None
        reason = refusal(environment, request.form, fields, request.form.getlist("user_classes"))
        if reason is not None:
            return jsonify({"success": False, "message": reason, "host": environment.host})
        set_user_count(environment, request.form.get("user_count", ""))
        return None

    assert environment.web_ui is not None
    assert environment.web_ui.app is not None
    environment.web_ui.app.before_request(before)


def refusal(
    environment: Environment, form: Mapping[str, str], fields: Mapping[str, Parse], names: Sequence[str]
) -> str | None:
    """Return why the form is refused; ``None`` if it is valid."""
    try:
        for name, parse in fields.items():
            if form.get(name):
                _parse(name, parse, form[name])
        _check_classes(environment, _chosen(environment, names), form.get("host") or environment.host or "")
    except (UsageError, HostError) as error:
        return str(error)
    return None


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


def _check_classes(environment: Environment, classes: Sequence[type[User]], host: str) -> None:
    alone(classes, distributed=isinstance(environment.runner, MasterRunner))
    if any(issubclass(user, KeepAliveUser) for user in classes):
        destination(host)
