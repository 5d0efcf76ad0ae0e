"""Every scenario by name: the classes of this package's modules."""

import importlib
import pkgutil
from collections.abc import Mapping

from common.records.load import LoadSpec
from loadtests import scenarios
from loadtests.scenarios.base import Scenario
from loadtests.scenarios.own_requests import of_requests


def _find() -> Mapping[str, type[Scenario]]:
    """Import the package's modules and collect the scenarios that each defines, in alphabetical order."""
    found: dict[str, type[Scenario]] = {}
    names = {f"{scenarios.__name__}.{module.name}" for module in pkgutil.iter_modules(scenarios.__path__)}
    for name in names - {__name__}:
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, type) and issubclass(value, Scenario) and value is not Scenario:
                found[value.name()] = value
    return dict(sorted(found.items()))


SCENARIOS = _find()
STEADY = tuple(name for name, scenario in SCENARIOS.items() if scenario.climbs is None)
"""Scenarios whose load is the same from beginning to end."""
CLOSED = tuple(name for name in STEADY if not SCENARIOS[name].open_loop)
"""Steady scenarios without an arrival rate: a closed loop."""


def scenario_for(load: LoadSpec) -> type[Scenario]:
    """Return the scenario of a load: the one that it names, or one of the user's own requests."""
    return of_requests(load.requests) if load.requests else SCENARIOS[load.scenario]
