"""A scenario's declarations: its tasks, its requests for other tools, the objective of a climb."""

import pytest

from common.records.load import Objective
from loadtests.scenarios.scenario import Scenario, sends
from loadtests.scenarios.workloads import SCENARIOS, Hello, Sleep


class Both(Hello):
    """Two tasks, one of them inherited."""

    other = sends(weight=3, tags=("other",))(Sleep.sleep)


class Replaced(Both):
    """The same two, one of them its own."""

    hello = sends(weight=5)(Hello.hello)


def test_a_task_has_the_name_of_its_attribute() -> None:
    assert [(task.name, task.weight, task.tags) for task in Both.tasks] == [
        ("hello", 1, ("hello",)),
        ("other", 3, ("other",)),
    ]


def test_a_task_of_the_same_name_replaces_the_inherited_one() -> None:
    assert {task.name: task.weight for task in Replaced.tasks} == {"other": 3, "hello": 5}


def test_a_task_makes_its_request_for_a_delay() -> None:
    (task,) = SCENARIOS["sleep"].tasks
    assert task(250).path == "/sleep/250"


@pytest.mark.parametrize(
    ("scenario", "paths"),
    [
        ("hello", ["/hello"]),
        ("sleep", ["/sleep/100"]),
        ("mixed", ["/hello"] * 9 + ["/sleep/100"]),
        ("errors", None),  # statuses that wrk counts as failures, and a method that it does not send
        ("rate", None),
        ("ramp", None),
        ("sleepers", None),
    ],
)
def test_wrk_sends_the_same_paths_equally_often_or_refuses_the_scenario(scenario: str, paths: list[str] | None) -> None:
    found = SCENARIOS[scenario].wrk_paths(100)
    assert (found if found is None else sorted(found)) == paths


@pytest.mark.parametrize(
    ("scenario", "objective"),
    [
        ("ramp", Objective(fraction=0.99, limit_s=0.050)),
        ("sleepers", Objective(fraction=0.99, limit_s=0.220)),
        ("hello", None),
    ],
)
def test_the_default_objective_of_sleepers_depends_on_the_delay(scenario: str, objective: Objective | None) -> None:
    found = SCENARIOS[scenario].default_objective(200)
    assert str(found) == str(objective)
    assert issubclass(SCENARIOS[scenario], Scenario)


def test_climbs_have_an_objective_and_rates_an_open_loop() -> None:
    for scenario in SCENARIOS.values():
        assert (scenario.climbs is None) == (scenario.default_objective(100) is None)
        assert scenario.open_loop == (scenario.default_rate is not None)
