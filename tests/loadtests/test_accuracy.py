"""What the open loop reads is the truth, to the bounds that ``tests.benchmarks.accuracy`` names."""

import os
import subprocess

import pytest

from tests.benchmarks import accuracy
from tests.benchmarks.accuracy import Outcome

may_go_first = subprocess.run([*accuracy.FIRST, "true"], check=False, capture_output=True).returncode == 0
needs_idle_cores = pytest.mark.skipif(
    not may_go_first or len(os.sched_getaffinity(0)) < 2,
    reason="idle cores are had by going before all else on two of them, which needs root",
)


@needs_idle_cores
def test_on_idle_cores_response_times_are_read_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        if (outcome := accuracy.steady()) is not Outcome.DISTURBED:
            break
    if outcome is Outcome.DISTURBED:
        pytest.skip(f"{outcome}: {capsys.readouterr().out}")
    assert outcome is Outcome.HELD, capsys.readouterr().out


@needs_idle_cores
def test_a_stall_is_read_as_arithmetic_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert accuracy.stalled() is Outcome.HELD, capsys.readouterr().out
