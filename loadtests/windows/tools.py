"""The capabilities of each load generator, the wait for its end, and the error of one that fails."""

import shutil
import subprocess

from common.errors import FailedError, UsageError
from common.host.supervisor import Program
from common.records.load import LoadSpec, Tool
from common.words import one_of
from loadtests.scenarios.workloads import SCENARIOS, scenario_for

WATCHDOG_S = 20.0
"""How much longer a generator is waited for than it may take.

One of ours that hangs prints where and ends itself meanwhile (``timing.window.GRACE_S``).
"""


class GeneratorError(FailedError):
    """The load generator failed, not the server that it loads."""


def wait_for_end(program: Program, longest_s: float, *, name: str) -> None:
    """Wait until a generator that may take ``longest_s`` has ended; ``GeneratorError`` if it hangs."""
    try:
        program.wait(longest_s + WATCHDOG_S)
    except subprocess.TimeoutExpired as error:
        raise GeneratorError(f"{name} did not end in time. {program.last_lines()}") from error


def require_wrk() -> str:
    """Return the path of wrk; ``UsageError`` says how to install it."""
    if (program := shutil.which("wrk")) is None:
        raise UsageError("TOOL=wrk needs wrk, which is not on PATH. Install it (Debian: apt-get install wrk).")
    return program


def parse_tool(text: str) -> Tool:
    """Return the tool that ``TOOL=`` names; ``UsageError`` if it is not installed."""
    tool = Tool(one_of(text, Tool, variable="TOOL"))
    if tool is Tool.WRK:
        require_wrk()
    return tool


def require_able(load: LoadSpec) -> None:
    """Raise ``UsageError`` if the tool, or the number of workers, cannot run the scenario."""
    scenario = scenario_for(load)
    if load.tool is Tool.WRK and scenario.wrk_paths(load.delay_ms) is None:
        able = ", ".join(name for name, kind in SCENARIOS.items() if kind.wrk_paths(load.delay_ms) is not None)
        raise UsageError(f"wrk cannot run SCENARIO={load.scenario}: must be one of {able}.")
    if load.tool is Tool.WRK and load.generator_workers:
        raise UsageError(f"GENERATOR_WORKERS={load.generator_workers} needs TOOL=locust; wrk uses one thread per core.")
    if load.generator_workers and scenario.climbs:
        raise UsageError(
            f"GENERATOR_WORKERS={load.generator_workers} cannot run SCENARIO={load.scenario}, which needs one process."
        )
