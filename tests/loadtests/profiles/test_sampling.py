"""A real stack is profiled under load, and the shares are plausible."""

import time
from pathlib import Path

import pytest

from common.cli.app import run
from common.records.load import Setup
from common.records.window import Load
from common.runtimes.running_server import RunningServer
from loadtests.__main__ import command_line
from loadtests.experiments.loadtest.visit import measure
from loadtests.profiles import sampling

pytestmark = [pytest.mark.slow, pytest.mark.parallel]
LATE_S = 5
"""Longer than the load and its warm-up."""


def test_a_profile_shows_server_and_framework_however_late_the_load_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure_late(running: RunningServer, setup: Setup) -> Load:
        time.sleep(LATE_S)
        return measure(running, setup)

    monkeypatch.setattr(sampling, "measure", measure_late)
    file = tmp_path / "profile.html"
    assert run(command_line(), ["profile", "--framework=flask", "--seconds=1", f"--out={file}"]) == 0
    assert capsys.readouterr().out.startswith("flask+gunicorn-gthread spends ")
    text = file.read_text()
    for place in ("gunicorn/workers/gthread.py", "flask/app.py", "werkzeug/"):
        assert place in text


def test_a_comparison_has_both_sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "profile.html"
    line = ["profile", "--a=raw_wsgi", "--b=falcon", "--seconds=1", f"--out={file}"]
    assert run(command_line(), line) == 0
    assert "From raw_wsgi to falcon, as shares" in capsys.readouterr().out


@pytest.mark.parametrize("side", ["falcon:slim", "nothing"])
def test_a_side_that_cannot_be_profiled_is_refused(side: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command_line(), ["profile", f"--a={side}", "--b=falcon"]) == 2
    assert "--a=" in capsys.readouterr().err
