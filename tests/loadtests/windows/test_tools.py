"""Scenarios that a tool or a number of workers cannot run are refused before anything starts."""

import shutil

import pytest

from common.errors import UsageError
from common.records.load import Tool
from loadtests.scenarios.registry import SCENARIOS
from loadtests.windows.tools import parse_tool, require_able
from tests.support.records import setup


@pytest.mark.parametrize(
    ("tool", "workers", "scenario", "why"),
    [
        (Tool.WRK, 0, "rate", r"^wrk cannot run SCENARIO=rate: must be one of hello, mixed, sleep\."),
        (Tool.WRK, 0, "errors", r"^wrk cannot run SCENARIO=errors"),
        (Tool.WRK, 2, "hello", r"GENERATOR_WORKERS=2 needs TOOL=locust"),
        (Tool.LOCUST, 2, "ramp", r"GENERATOR_WORKERS=2 cannot run SCENARIO=ramp"),
        (Tool.LOCUST, 1, "sleepers", r"GENERATOR_WORKERS=1 cannot run SCENARIO=sleepers"),
    ],
)
def test_scenarios_that_a_tool_cannot_run_are_refused(tool: Tool, workers: int, scenario: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        require_able(setup(tool=tool, generator_workers=workers, scenario=scenario).load)


def test_locust_runs_every_scenario_in_one_process() -> None:
    for scenario in SCENARIOS:
        require_able(setup(scenario=scenario).load)


def test_workers_run_every_steady_scenario() -> None:
    for name, scenario in SCENARIOS.items():
        if scenario.climbs is None:
            require_able(setup(scenario=name, generator_workers=2).load)


def test_a_tool_is_named_whatever_the_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/here/wrk")
    assert (parse_tool("Locust"), parse_tool("WRK")) == (Tool.LOCUST, Tool.WRK)


def test_an_unknown_tool_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"TOOL=wrk2.*locust.*wrk"):
        parse_tool("wrk2")
