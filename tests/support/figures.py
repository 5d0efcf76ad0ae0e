"""Figures for tests: of one stack, valid, on this machine, unless a test says otherwise."""

from typing import Any

from common.catalog.pythons import OWN_PYTHON
from common.catalog.sizes import Runtime
from common.records.figure import Conditions, Figure, Metric, Subject
from common.records.summary import Interval, Verdict
from tests.support.records import NOON

PROCESS = Subject(framework="a", server="b", runtime=Runtime.PROCESS, python=OWN_PYTHON)
DOCKER = Subject(framework="a", server="b", image="slim", runtime=Runtime.DOCKER, python="3.13")
HELLO = Conditions(scenario="hello", vcpu=1.0, workers=1)


def figure(
    metric: Metric,
    estimate: float,
    conditions: Conditions | None = None,
    *,
    subject: Subject = DOCKER,
    bounds: tuple[float, float] | None = None,
    **changes: Any,  # noqa: ANN401 -- any other field
) -> Figure:
    """Return a figure, of 8 windows where it has ``bounds``."""
    low, high = bounds or (estimate, estimate)
    fields: dict[str, Any] = {
        "subject": subject,
        "metric": metric,
        "conditions": conditions or Conditions(),
        "value": Interval(estimate=estimate, low=low, high=high, n=8 if bounds else 1),
        "verdict": Verdict.VALID,
        "run": "run",
        "measured_at": NOON,
        "machine": "here",
        "version": "1.2.3",
        "lock_sha256": "0" * 64,
    }
    return Figure(**fields | changes)
