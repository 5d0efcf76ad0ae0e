"""make history finds the release at which a framework's speed changed, also if it is interrupted and resumed."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from common.records.run import HistoryRun
from loadtests.campaign.store import VISITS, RunFolder
from tests.support.project_copy import copy_of_the_project, interrupted, make
from tests.support.toy_packages import write_wheel

PACKAGE = "planted_step"
WORK = "def work():\n    return sum(range({count}))\n"
LESS, MORE = 500, 40_000
"""The numbers that a request adds up before and after the planted step, which costs it several times all else."""
HISTORY = f"make history FRAMEWORK={PACKAGE} LAST=3 ROUNDS=5 DESIGN=alone"
"""Measures one server at a time, which is quicker than in slices; a step this large does not need their precision."""
LINES = ("from planted_step import work\n", "    work()\n    headers = ")
WARMUP_S, WINDOW_S = 0.2, 0.3


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

    results = project / "loadtests" / "results"
    ended = interrupted(project, HISTORY, when=lambda: any(results.glob("*/run.json")), **indexes)
    found = re.search(r"resume with: (make history RESUME=(\S+))", ended)
    assert found is not None, ended
    resume, run = found[1], RunFolder(folder=results / found[2])
    _shorten(run)
    expected = f"the speed changed at {PACKAGE}@1.1+gunicorn-gthread.\n"
    said = make(project, resume, **indexes)
    if expected not in said:  # one run in 20 may name 1.2 too, since the level is 5 %
        (run.folder / VISITS).unlink()
        said = make(project, resume, **indexes)
    assert expected in said
    assert f"history of {PACKAGE}" in said
    assert len(run.visits()) == 20  # five of each version, and of a copy


def _shorten(folder: RunFolder) -> None:
    """Give the windows of an interrupted run a fraction of their length, which a step this large does not need."""
    run = folder.run()
    assert isinstance(run, HistoryRun)
    load = replace(run.setup.load, warmup_s=WARMUP_S, window_s=WINDOW_S)
    folder.describe(replace(run, setup=replace(run.setup, load=load)))
