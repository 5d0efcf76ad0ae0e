"""Runs the walk-through of CONTRIBUTING.md, word for word, in a copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from common.catalog.frameworks import frameworks
from common.project import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text()
SECTION = PAGE.partition("## Add a framework\n")[2].partition("\n## ")[0]
NAME = "werkzeug"
LIMIT_S = 280


def blocks(language: str) -> list[str]:
    """Return the section's code blocks in a language."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", SECTION, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in found]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project's files, with this environment as its ``.venv``."""
    copy = tmp_path / "project"
    ignored = shutil.ignore_patterns(".git", ".venv", ".cache", "results", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, copy, ignore=ignored)
    venv = copy / ".venv"
    venv.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if not entry.name.startswith("ready"):
            (venv / entry.name).symlink_to(entry)
    (venv / "ready").touch()  # newer than requirements.lock, so that make installs nothing
    return copy


def make(project: Path, line: str) -> str:
    """Run a line of the page in the copy, as on a machine without a Docker engine; return its standard output."""
    environment = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
    environment |= {"DOCKER_HOST": "unix:///nonexistent.sock", "COLUMNS": "200"}
    bash = ["bash", "-euc", line]
    result = subprocess.run(
        bash, cwd=project, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_example_is_a_framework_that_is_not_in_the_tree() -> None:
    assert NAME not in frameworks()
    assert all(f"FRAMEWORK={NAME}" in line for block in blocks("sh") for line in block.splitlines())


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.timeout(900)
def test_walk_through_adds_a_framework_and_measures_it(project: Path) -> None:
    written, measured = (block.splitlines() for block in blocks("sh"))
    (app,) = blocks("python")
    for line in written:
        make(project, line)
    (project / "frameworks" / NAME / "app.py").write_text(app)
    outputs = [make(project, line) for line in measured]
    assert re.search(rf"{NAME}\+gunicorn-gthread .* conforms ", outputs[1])
    assert re.search(rf"{NAME}\+gunicorn-gthread +[0-9]", outputs[2])
    (summary,) = (project / "loadtests" / "results").glob("*/summary.json")
    assert NAME in json.dumps(json.loads(summary.read_text()))
    checks = "import sys, pytest; sys.exit(pytest.main(['-q', 'tests/common/catalog', '-p', 'no:cacheprovider']))"
    result = subprocess.run(
        [sys.executable, "-c", checks], cwd=project, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert result.returncode == 0, result.stdout
