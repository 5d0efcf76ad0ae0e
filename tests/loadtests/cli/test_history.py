"""make history finds the release at which a framework's speed changed."""

from pathlib import Path

import pytest

from tests.support.project_copy import copy_of_the_project, make
from tests.support.toy_packages import write_wheel

PACKAGE = "planted_step"
WORK = "def work():\n    return sum(range({count}))\n"
LESS, MORE = 500, 4000
"""The numbers that a request adds up before and after the planted step, which costs it tens of microseconds."""
HISTORY = f"make history FRAMEWORK={PACKAGE} LAST=3 ROUNDS=5 DESIGN=alone"
"""Measures one server at a time, which is quicker than in slices; a step this large does not need their precision."""
LINES = ("from planted_step import work\n", "    work()\n    headers = ")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_release_of_a_planted_step_is_named_and_no_other(tmp_path: Path) -> None:
    project, wheels = copy_of_the_project(tmp_path), tmp_path / "wheels"
    wheels.mkdir()
    for version, count in (("1.0", LESS), ("1.1", MORE), ("1.2", MORE)):
        write_wheel(wheels, PACKAGE, version, code=WORK.format(count=count))
    folder = project / "frameworks" / PACKAGE
    indexes = {"UV_FIND_LINKS": str(wheels), "PIP_FIND_LINKS": str(wheels), "UV_CACHE_DIR": str(tmp_path / "uv")}
    make(project, f"make new FRAMEWORK={PACKAGE} INTERFACE=wsgi", **indexes)
    app = (project / "frameworks" / "raw_wsgi" / "app.py").read_text()
    (folder / "app.py").write_text(LINES[0] + app.replace("    headers = ", LINES[1], 1))
    make(project, f"make lock FRAMEWORK={PACKAGE}", **indexes)
    expected = f"the speed changed at {PACKAGE}@1.1+gunicorn-gthread.\n"
    said = make(project, HISTORY, **indexes)
    if expected not in said:  # one run in 20 may name 1.2 too, since the level is 5 %, and other work can hide a step
        said = make(project, HISTORY, **indexes)
    assert expected in said
