"""The start of the interpreter and the import of the app are timed apart."""

import functools
from pathlib import Path

import pytest

from common.catalog.sizes import Size
from common.catalog.stacks import images
from common.engine.builds import build_images
from common.errors import FailedError
from common.host.cores import split_cores
from common.packages.environments import environment
from common.runtimes.candidates import Candidate
from loadtests.experiments.startup import visit as startup
from loadtests.experiments.startup.visit import import_costs
from tests.support.toy_stacks import toy_stack

SLIM = images()["slim"]
SIZE = Size(vcpu=0.5)
CORES = split_cores(0.5)
BURNING = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
"""An app whose import burns 0.3 CPU-seconds."""


def test_interpreter_and_import_are_told_apart(toy_name: str, tmp_path: Path) -> None:
    slow = toy_stack(tmp_path, f"{toy_name}_slow", app=BURNING)
    build_images([slow], [SLIM], report=lambda _: None)
    interpreter, app_import = import_costs(Candidate(stack=slow, image=SLIM), SIZE, CORES.server)
    assert 0 < interpreter.cpu_s < 0.15
    assert app_import.cpu_s == pytest.approx(0.3, abs=0.05)
    assert app_import.wall_s >= 0.5 * app_import.cpu_s / SIZE.vcpu


@pytest.fixture
def own_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the toys' environment in a folder of the test."""
    monkeypatch.setattr(startup, "environment", functools.partial(environment, root=tmp_path / "environments"))


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.usefixtures("own_environments")
def test_they_are_told_apart_in_the_process_runtime_too(tmp_path: Path) -> None:
    burning = Candidate(stack=toy_stack(tmp_path, "toy", app=BURNING))
    interpreter, app_import = import_costs(burning, Size(), split_cores(1).server)
    assert 0 < interpreter.cpu_s < 0.15
    assert app_import.cpu_s == pytest.approx(0.3, abs=0.05)


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.usefixtures("own_environments")
def test_an_import_that_fails_is_reported_with_its_reason(tmp_path: Path) -> None:
    broken = Candidate(stack=toy_stack(tmp_path, "toy", app="raise RuntimeError('no such database')\n"))
    with pytest.raises(FailedError, match=r"(?s)toy\+native: the import of app could not be timed: .*no such database"):
        import_costs(broken, Size(), split_cores(1).server)
