"""A copy of the project, in which a test may add frameworks and run make without a trace in the checkout."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from common.host import run_lock
from common.project import ROOT
from tests.support.waiting import wait_until

LIMIT_S = 280


def copy_of_the_project(place: Path) -> Path:
    """Return a copy of the project's files, with this environment as its ``.venv``."""
    copy = place / "project"
    ignored = shutil.ignore_patterns(".git", ".venv", ".cache", "results", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, copy, ignore=ignored)
    venv = copy / ".venv"
    venv.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if not entry.name.startswith("ready"):
            (venv / entry.name).symlink_to(entry)
    (venv / "ready").touch()  # newer than requirements.lock, so that make installs nothing
    return copy


def shorten_rounds(project: Path) -> None:
    """Have load tests in the copy make a fraction of the slices that a round usually has."""
    module = project / "loadtests" / "windows" / "sliced.py"
    usual = module.read_text()
    shortened = re.sub(r"(?m)^FEWEST_PASSES, MOST_PASSES = .*$", "FEWEST_PASSES, MOST_PASSES = 8, 8", usual)
    assert shortened != usual
    module.write_text(shortened)


def make(project: Path, line: str, **variables: str) -> str:
    """Run a line in the copy, as on a machine without a Docker engine; return its standard output."""
    result = subprocess.run(
        ["bash", "-euc", line],
        cwd=project,
        env=_environment(variables),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def interrupted(project: Path, line: str, *, when: Callable[[], bool], **variables: str) -> str:
    """Run a line as ``make``, interrupt it like Ctrl-C once ``when`` holds, and return its standard error."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            ["bash", "-euc", line],
            cwd=project,
            env=_environment(variables),
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        ) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None or when(), deadline_s=LIMIT_S)
        finally:
            with suppress(ProcessLookupError):  # it has ended by itself, and its standard error says why
                os.killpg(process.pid, signal.SIGINT)
            process.wait(LIMIT_S)
        errors.seek(0)
        return errors.read()


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    environment = {
        name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR", run_lock.VARIABLE) if name in os.environ
    }
    return environment | {"DOCKER_HOST": "unix:///nonexistent.sock", "COLUMNS": "200"} | dict(variables)
