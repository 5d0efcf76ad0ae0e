"""The web UI's form, checked before it starts or changes a test: Locust itself takes its text as it comes."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from flask import Response, jsonify, request
from locust import User
from locust.env import Environment
from locust.runners import STATE_RUNNING, STATE_SPAWNING, MasterRunner

from common.errors import UsageError
from loadtests.timing.climbs import alone
from loadtests.users.arrival_user import count_connections
from loadtests.users.http_user import HostError, KeepAliveUser, destination

Read = Callable[[str], object]


def check_form(environment: Environment, fields: Mapping[str, Read]) -> None:
    """Have the form refused, with the reason beside its button, where a field or the choice of classes cannot work.

    ``fields`` read the form's text; one that is left empty keeps its default.
    """

    def before() -> Response | None:
        if request.method != "POST" or not request.path.endswith("/swarm"):
            return None
        reason = refusal(environment, request.form, fields, request.form.getlist("user_classes"))
        if reason is not None:
            return jsonify({"success": False, "message": reason, "host": environment.host})
        count_connections(environment, request.form.get("user_count", ""))
        return None

    assert environment.web_ui is not None
    assert environment.web_ui.app is not None
    environment.web_ui.app.before_request(before)


def refusal(
    environment: Environment, form: Mapping[str, str], fields: Mapping[str, Read], names: Sequence[str]
) -> str | None:
    """Why the form cannot be taken; ``None`` where it can."""
    try:
        for name, read in fields.items():
            if form.get(name):
                _read(name, read, form[name])
        _check_classes(environment, _chosen(environment, names), form.get("host") or environment.host or "")
    except (UsageError, HostError) as error:
        return str(error)
    return None


def _read(name: str, read: Read, text: str) -> None:
    try:
        read(text)
    except ArgumentTypeError as error:
        raise UsageError(f"{name}: {error}.") from error


def _chosen(environment: Environment, names: Sequence[str]) -> list[type[User]]:
    """The classes that the form names; without one, those that run, or all there are, as Locust takes it."""
    assert environment.runner is not None
    if not environment.available_user_classes or (
        not names and environment.runner.state in {STATE_RUNNING, STATE_SPAWNING}
    ):
        return environment.user_classes
    known = cast("dict[str, type[User]]", environment.available_user_classes)  # annotated as users, which they are not
    return [one for name, one in known.items() if name in names or not names]


def _check_classes(environment: Environment, classes: Sequence[type[User]], host: str) -> None:
    alone(classes, distributed=isinstance(environment.runner, MasterRunner))
    if any(issubclass(one, KeepAliveUser) for one in classes):
        destination(host)
