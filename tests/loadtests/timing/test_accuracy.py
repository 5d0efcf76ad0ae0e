"""The open loop measures true response times, to the bounds that ``tests.benchmarks.accuracy`` names."""

import os
import subprocess

import pytest

from tests.benchmarks import accuracy
from tests.benchmarks.accuracy import Outcome

pytestmark = pytest.mark.slow

may_go_first = subprocess.run([*accuracy.FIRST, "true"], check=False, capture_output=True).returncode == 0
needs_idle_cores = pytest.mark.skipif(
    not may_go_first or len(os.sched_getaffinity(0)) < 2,
    reason="idle cores are had by going before all else on two of them, which needs root",
)


@needs_idle_cores
def test_response_times_are_accurate_on_idle_cores(capsys: pytest.CaptureFixture[str]) -> None:
    """Other work on the machine can only lengthen response times, so one accurate try of two is enough."""
    outcome = accuracy.steady()
    if outcome is Outcome.BROKEN:
        outcome = accuracy.steady()
    message = capsys.readouterr().out
    if outcome is Outcome.DISTURBED:
        pytest.skip(message)
    assert outcome is Outcome.HELD, message


@needs_idle_cores
def test_a_stall_is_measured_as_calculated(capsys: pytest.CaptureFixture[str]) -> None:
    assert accuracy.stalled() is Outcome.HELD, capsys.readouterr().out
