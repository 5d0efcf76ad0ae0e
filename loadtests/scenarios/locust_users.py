"""Locust user classes made from scenarios: each task becomes a Locust task, so tags and weights work as usual."""

import types
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from locust import User, tag, task

from loadtests.scenarios.scenario import DELAY_MS, Scenario, Task
from loadtests.scenarios.workloads import SCENARIOS
from loadtests.users.http_user import ArrivalUser, FastUser, KeepAliveUser
from loadtests.users.options import options_of


class ScenarioUser(Protocol):
    """A user class that was made from a scenario."""

    scenario: type[Scenario]


def user_classes() -> dict[str, type[User]]:
    """Return a Locust user class per scenario, and one over FastHttpUser, for TLS, for those that it can send."""
    classes = [user_class(scenario) for scenario in SCENARIOS.values()]
    plain = [kind for kind in SCENARIOS.values() if not (kind.open_loop or kind.climbs or kind.in_turn)]
    classes += [_user(scenario, FastUser, prefix="Tls") for scenario in plain]
    return {user.__name__: user for user in classes}


def user_class(scenario: type[Scenario]) -> type[User]:
    """Return the Locust user class of a scenario."""
    return _user(scenario, ArrivalUser if scenario.open_loop else KeepAliveUser)


def scenario_of(user: type[User]) -> type[Scenario]:
    """Return the scenario that a class was made from."""
    return cast("ScenarioUser", user).scenario


def chosen_by_option(classes: Sequence[type[User]], name: str) -> list[type[User]]:
    """Return what runs where no class is named: of ours the one of the scenario, and all others."""
    made = set(map(id, SCENARIOS.values()))
    return [user for user in classes if id(getattr(user, "scenario", None)) not in made or _is_plain(user, name)]


def _is_plain(user: type[User], name: str) -> bool:
    return issubclass(user, KeepAliveUser) and scenario_of(user).name() == name


def _user(scenario: type[Scenario], base: type[User], prefix: str = "") -> type[User]:
    name = f"{prefix}{scenario.__name__}"
    over_tls = f"``{scenario.__name__}`` over FastHttpUser, for a server that speaks TLS."
    attributes: Mapping[str, Any] = {
        "__doc__": over_tls if prefix else scenario.__doc__,
        "__module__": __name__,
        "scenario": scenario,
        "in_turn": scenario.in_turn,
        **{described.name: _locust_task(described) for described in scenario.tasks},
    }
    user: type[User] = types.new_class(name, (base,), exec_body=lambda body: body.update(attributes))
    return user


def _locust_task(described: Task) -> Any:  # noqa: ANN401 -- what Locust's decorators return
    def send(user: KeepAliveUser | FastUser) -> None:
        for request in described.requests(_delay_ms(user)):
            user.sends(request)

    send.__name__ = described.name
    decorated: Any = task(described.weight)(send)
    return tag(*described.tags)(decorated) if described.tags else decorated


def _delay_ms(user: User) -> int:
    delay_ms = getattr(options_of(user.environment), "delay_ms", None)
    return DELAY_MS if delay_ms is None else int(delay_ms)
