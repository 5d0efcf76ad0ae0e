"""Every scenario of the package is found, and a new module is all that it takes to add one."""

import sys
from pathlib import Path

import pytest

from loadtests import scenarios
from loadtests.scenarios import registry
from loadtests.scenarios.base import Scenario
from loadtests.scenarios.registry import CLOSED, SCENARIOS, STEADY

NEW = """
from loadtests.scenarios import requests
from loadtests.scenarios.base import sends
from loadtests.scenarios.hello import Hello


class Twice(Hello):
    again = sends(weight=2)(requests.hello)
"""


def test_every_scenario_is_found_by_its_name_in_alphabetical_order() -> None:
    assert list(SCENARIOS) == ["errors", "hello", "mixed", "ramp", "rate", "sleep", "sleepers"]
    assert [scenario.name() for scenario in SCENARIOS.values()] == list(SCENARIOS)


def test_each_scenario_has_tasks_and_a_description() -> None:
    for scenario in SCENARIOS.values():
        assert scenario.tasks
        assert (scenario.__doc__ or "").splitlines()[0].endswith((".", ":"))


def test_steady_scenarios_are_those_that_do_not_climb() -> None:
    assert STEADY == ("errors", "hello", "mixed", "rate", "sleep")


def test_closed_loops_are_the_steady_ones_without_a_rate() -> None:
    assert CLOSED == ("errors", "hello", "mixed", "sleep")


def test_a_new_module_is_enough_to_add_a_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "twice.py").write_text(NEW)
    monkeypatch.setattr(scenarios, "__path__", [*scenarios.__path__, str(tmp_path)])
    try:
        found = registry._find()
    finally:
        del sys.modules["loadtests.scenarios.twice"]
        delattr(scenarios, "twice")
    assert list(found) == [*list(SCENARIOS), "twice"]
    assert issubclass(found["twice"], Scenario)
    assert [task.name for task in found["twice"].tasks] == ["hello", "again"]
