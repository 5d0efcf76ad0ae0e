"""Scenarios that a tool or a number of workers cannot run are refused, and generators that hang say where."""

import shutil
import sys
from pathlib import Path

import pytest

from common.errors import UsageError
from common.host.supervisor import supervised
from common.records.load import Tool
from loadtests.scenarios.workloads import SCENARIOS
from loadtests.windows.tools import parse_tool, require_able, wait_for_end
from tests.support.records import setup


@pytest.mark.parametrize(
    ("tool", "workers", "scenario", "why"),
    [
        (Tool.WRK, 0, "rate", r"^wrk cannot run SCENARIO=rate: must be one of hello, mixed, order, orders, sleep\."),
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


HANGING = """
import faulthandler, time
faulthandler.dump_traceback_later({longest_s}, exit=True)
time.sleep(60)
"""


def test_a_generator_that_hangs_prints_where_before_it_is_ended(tmp_path: Path) -> None:
    """Its own timer begins later than the wait for it."""
    longest_s = 0.3
    with supervised([sys.executable, "-c", HANGING.format(longest_s=longest_s)], cwd=tmp_path) as program:
        wait_for_end(program, longest_s, name="it")
        assert 'File "<string>", line 4 in <module>' in program.last_lines()
