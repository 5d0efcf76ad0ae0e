"""What a reader has to know of a load that is not a plain closed loop, and of what the generator can do. Pure."""

from collections.abc import Iterator

from common.records.run import Run
from common.records.summary import Interval, Summary

KNEES = {"ramp": "req/s", "sleepers": "sleepers in flight"}
OBJECTIVES = {"ramp": "p99<50ms", "sleepers": "p99 < delay + 10 %"}


def load_notes(run: Run, summary: Summary) -> Iterator[str]:
    """One sentence each."""
    if run.scenario == "rate" and run.rate is not None:
        of_what = "of each stack's own capacity" if run.rate.endswith("%") else "a second"
        yield f"open loop: {run.arrivals} arrivals at {run.rate} {of_what}; p99 counts from the intended send."
    if run.scenario in KNEES:
        objective = run.objective or OBJECTIVES[run.scenario]
        yield f"knee: the highest step that held {objective}; the row above is that step's."
    for row in summary.cells:
        if row.knee is not None:
            yield f"knee of {row.cell}: {_text(row.knee)} {KNEES.get(run.scenario, '')}."
        if row.sleeper_bytes is not None:
            yield f"a sleeper of {row.cell} holds {_text(row.sleeper_bytes)} bytes of private memory."
    if run.ceiling is not None:
        reached = f"{run.ceiling.requests_per_cpu_s:,.0f}"
        yield f"the generator's ceiling: {reached} req/s per core, against a server that only answers."


def _text(interval: Interval) -> str:
    bounds = "" if interval.low is None or interval.high is None else f"{interval.low:,.0f} to {interval.high:,.0f}, "
    return f"{interval.estimate:,.0f} ({bounds}n = {interval.n})"
