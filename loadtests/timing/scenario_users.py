"""Locust users made from scenarios: each task of a scenario is a Locust task, so tags and weights are Locust's own."""

import types
from collections.abc import Mapping
from typing import Any, Protocol, cast

from locust import User, tag, task

from loadtests.scenarios.base import Scenario, Task
from loadtests.scenarios.registry import SCENARIOS
from loadtests.users.arrival_user import ArrivalUser
from loadtests.users.http_user import FastUser, KeepAliveUser
from loadtests.users.options import options_of

DELAY_MS = 100


class ScenarioUser(Protocol):
    """What a user class that was made of a scenario says of itself."""

    scenario: type[Scenario]


def user_classes() -> dict[str, type[User]]:
    """Return a Locust user class for each scenario; those that FastHttpUser can send also have one over it, for TLS."""
    classes = [_user(scenario, ArrivalUser if scenario.open_loop else KeepAliveUser) for scenario in SCENARIOS.values()]
    plain = [one for one in SCENARIOS.values() if not (one.open_loop or one.climbs or one.in_turn)]
    classes += [_user(scenario, FastUser, prefix="Tls") for scenario in plain]
    return {one.__name__: one for one in classes}


def scenario_of(user: type[User]) -> type[Scenario]:
    """Return the scenario that a class was made from."""
    return cast("ScenarioUser", user).scenario


def _user(scenario: type[Scenario], base: type[User], prefix: str = "") -> type[User]:
    name = f"{prefix}{scenario.__name__}"
    over_tls = f"``{scenario.__name__}`` over FastHttpUser, for a server that speaks TLS."
    attributes: Mapping[str, Any] = {
        "__doc__": over_tls if prefix else scenario.__doc__,
        "__module__": __name__,
        "scenario": scenario,
        "in_turn": scenario.in_turn,
        **{one.name: _locust_task(one) for one in scenario.tasks},
    }
    made: type[User] = types.new_class(name, (base,), exec_body=lambda body: body.update(attributes))
    return made


def _locust_task(described: Task) -> Any:  # noqa: ANN401 -- what Locust's decorators return
    def send(user: KeepAliveUser | FastUser) -> None:
        user.sends(described(_delay_ms(user)))

    send.__name__ = described.name
    decorated: Any = task(described.weight)(send)
    return tag(*described.tags)(decorated) if described.tags else decorated


def _delay_ms(user: User) -> int:
    delay_ms = getattr(options_of(user.environment), "delay_ms", None)
    return DELAY_MS if delay_ms is None else int(delay_ms)
