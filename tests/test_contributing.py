"""Runs the walk-through of CONTRIBUTING.md, word for word, in a copy of the project."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from common.catalog.frameworks import frameworks
from common.project import ROOT
from tests.support.project_copy import LIMIT_S, copy_of_the_project, make, shorten_rounds

PAGE = (ROOT / "CONTRIBUTING.md").read_text()
SECTION = PAGE.partition("## Add a framework\n")[2].partition("\n## ")[0]
NAME = "werkzeug"


def blocks(language: str) -> list[str]:
    """Return the section's code blocks in a language."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", SECTION, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in found]


def test_example_is_a_framework_that_is_not_in_the_tree() -> None:
    assert NAME not in frameworks()
    assert all(f"FRAMEWORK={NAME}" in line for block in blocks("sh") for line in block.splitlines())


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.timeout(900)
@pytest.mark.long
def test_walk_through_adds_a_framework_and_measures_it(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path)
    shorten_rounds(project)
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
