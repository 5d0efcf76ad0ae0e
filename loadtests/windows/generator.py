"""What makes the load, and how it may fail."""

from enum import StrEnum

from common.errors import FailedError, UsageError


class Tool(StrEnum):
    """What makes the load: our Locust users, or wrk as a second opinion."""

    LOCUST = "locust"
    WRK = "wrk"


CLIMBING = frozenset({"ramp", "sleepers"})
"""Scenarios that make many windows out of one; they need a Locust that is one process."""
WRK_SCENARIOS = ("hello", "sleep", "mixed")


def refuse(tool: Tool, workers: int, scenario: str) -> None:
    """``UsageError`` where the tool, or so many workers, cannot do the scenario."""
    if tool is Tool.WRK and scenario not in WRK_SCENARIOS:
        raise UsageError(f"TOOL=wrk cannot do SCENARIO={scenario}. Accepted with it: {', '.join(WRK_SCENARIOS)}.")
    if tool is Tool.WRK and workers:
        raise UsageError(f"WORKERS={workers} needs TOOL=locust; wrk has a thread for each core of the generator.")
    if workers and scenario in CLIMBING:
        raise UsageError(f"WORKERS={workers} cannot do SCENARIO={scenario}, which one process climbs by itself.")


class GeneratorError(FailedError):
    """The load generator failed, not what it loads."""
