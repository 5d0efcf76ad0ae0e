"""A copy of the project, in which a test may add frameworks and run make without a trace in the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from common.project import ROOT

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


def make(project: Path, line: str, **variables: str) -> str:
    """Run a line in the copy, as on a machine without a Docker engine; return its standard output."""
    environment = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
    environment |= {"DOCKER_HOST": "unix:///nonexistent.sock", "COLUMNS": "200"} | variables
    bash = ["bash", "-euc", line]
    result = subprocess.run(
        bash, cwd=project, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
