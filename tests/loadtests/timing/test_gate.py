"""Generators that begin together wait for each other until a deadline."""

import threading
import time
from pathlib import Path

import pytest

from loadtests.timing.window import NotOpenError, WindowPlan, wait_for_others


def plan(folder: Path, opening_s: float) -> WindowPlan:
    """Return the plan of a window of one of two generators."""
    gate = folder / "gate"
    gate.mkdir()
    return WindowPlan(file=folder / "load.json", warmup_s=0, window_s=0, opening_s=opening_s, gate=gate, gate_of=2)


def test_a_generator_continues_once_the_other_is_ready(tmp_path: Path) -> None:
    made = plan(tmp_path, opening_s=5)
    assert made.gate is not None
    other = threading.Timer(0.2, (made.gate / "other").touch)
    begun_s = time.perf_counter()
    other.start()
    wait_for_others(made)
    other.join()
    assert 0.2 <= time.perf_counter() - begun_s < 3


def test_a_generator_past_the_deadline_says_how_many_were_ready(tmp_path: Path) -> None:
    with pytest.raises(NotOpenError, match=r"1 of 2 generators were ready after 0\.1 s"):
        wait_for_others(plan(tmp_path, opening_s=0.1))
