"""Each verdict is provoked for real: by a misbehaving server, a slow generator, a core in other use."""

import functools
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from common.catalog.stacks import images
from common.engine.builds import build_images
from common.packages.environments import environment
from common.records.run import Cell, LoadRun
from common.records.summary import Verdict
from common.records.window import Window
from common.runtimes import process
from common.runtimes.candidates import Candidate
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.analysis.verdicts import permits_ranking, verdicts
from loadtests.experiments.loadtest import report as throughput
from loadtests.experiments.loadtest.report import summarise
from loadtests.experiments.loadtest.visit import measure_window
from loadtests.windows import by_locust
from tests.support.programmable import COSTLY_PER_CPU_S, programmed
from tests.support.records import cell, run, window

pytestmark = pytest.mark.slow

CORES = sorted(os.sched_getaffinity(0))
CELL: Cell = cell("toy+native")


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create the toys' common environment."""
    return tmp_path_factory.mktemp("environments")


@pytest.fixture
def own_environments(environments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the toys' environment from there."""
    monkeypatch.setattr(process, "environment", functools.partial(environment, root=environments))


def _run(**changes: Any) -> LoadRun:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {
        "server_cores": CORES[:1],
        "generator_cores": CORES[1:] or CORES,
        "warmup_s": 0.2,
        "window_s": 1.0,
    }
    return run([CELL], **fields | changes)


def _measured(made: LoadRun, candidate: Candidate, name: str = CELL.name, number: int = 1) -> Window:
    return measure_window(window(name, number, None), made.setup, candidate, seed=0)


def _verdicts(made: LoadRun, measured: Window) -> dict[Verdict, str]:
    return verdicts(CELL, [measured], made.setup, made.runtime)


def _seen(tmp_path: Path, twist: str) -> dict[Verdict, str]:
    """Return the verdicts on one window of a toy in the process runtime."""
    made = _run()
    return _verdicts(made, _measured(made, Candidate(stack=programmed(tmp_path, "toy", twist))))


@contextmanager
def _busy(cores: Sequence[int], count: int) -> Iterator[None]:
    """Keep the cores busy with something else."""
    code = f"import os; os.sched_setaffinity(0, {set(cores)})\nwhile True: pass"
    line = [sys.executable, "-c", code]
    # Each in a session of its own: the scheduler may share the cores out by sessions first.
    others = [subprocess.Popen(line, start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@pytest.mark.usefixtures("own_environments")
def test_a_server_that_answers_wrongly_under_load(tmp_path: Path) -> None:
    assert "wrong body x" in _seen(tmp_path, "wrong")[Verdict.WRONG_ANSWERS]


@pytest.mark.usefixtures("own_environments")
def test_a_server_that_dies_under_load(tmp_path: Path) -> None:
    assert "exit status 3" in _seen(tmp_path, "dying")[Verdict.SERVER_DIED]


@pytest.mark.usefixtures("own_environments")
def test_a_server_that_closes_connections_which_it_was_declared_to_keep(tmp_path: Path) -> None:
    assert "had to be opened anew" in _seen(tmp_path, "closing")[Verdict.CONNECTIONS]


@pytest.mark.usefixtures("own_environments")
def test_a_server_that_leaves_some_connections_without_an_answer(tmp_path: Path) -> None:
    """Two of 16 wait for ever, so fewer requests are in flight than connections: Little's law fails."""
    assert "rate x response time is 0.8" in _seen(tmp_path, "silent")[Verdict.CONNECTIONS]


@pytest.mark.usefixtures("own_environments")
def test_two_copies_that_are_not_the_same(tmp_path: Path) -> None:
    """A run of fewer than five rounds is provoked as well."""
    copy = replace(CELL, name="toy+native#2", control_of=CELL.name)
    made = replace(_run(window_s=0.3, rounds=5), cells=[CELL, copy])
    toys = {
        CELL.name: programmed(tmp_path / "a", "toy", "good"),
        copy.name: programmed(tmp_path / "b", "toy", "costly"),
    }
    windows: list[Window] = []
    for number in range(1, 6):
        for name, stack in toys.items():
            windows.append(_measured(made, Candidate(stack=stack), name, number))
        seen = summarise(made, windows)
        assert (Verdict.TOO_FEW_ROUNDS in seen.cells[0].doubts) == (number < 5)
    assert seen.controls is not None
    assert "two copies of toy+native differ by" in seen.controls.warnings[Verdict.CONTROL_DIFFERS]
    assert all(row.rank is None for row in seen.cells)


@pytest.mark.usefixtures("own_environments")
def test_a_server_whose_worker_dies_and_is_replaced(tmp_path: Path) -> None:
    seen = _seen(tmp_path, "restarted")
    assert "1 of the server's processes ended and " in seen[Verdict.RESTARTED]
    assert not permits_ranking(seen)


def test_a_container_whose_worker_dies_and_is_replaced(in_docker: dict[str, Candidate]) -> None:
    made = _run()
    seen = _verdicts(made, _measured(made, in_docker["restarted"]))
    assert "1 of the server's processes ended and " in seen[Verdict.RESTARTED]


@pytest.mark.usefixtures("own_environments")
@pytest.mark.skipif(len(CORES) < 2, reason="one core is always shared")
def test_a_core_that_others_use(tmp_path: Path) -> None:
    with _busy(CORES[:1], 2):
        seen = _seen(tmp_path, "good")
    assert "of the server's cores" in seen[Verdict.DISTURBED]
    assert not permits_ranking(seen)


SLOW_LOCUST = """\
import time

from locust import events

from loadtests.locustfile import *


@events.request.add_listener
def burn(**_):
    until_s = time.thread_time() + 0.004
    while time.thread_time() < until_s:
        pass
"""
"""Each request costs it far more than any server."""


@pytest.mark.usefixtures("own_environments")
@pytest.mark.skipif(len(CORES) < 2, reason="one core is always shared")
def test_a_generator_that_is_slower_than_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow.py").write_text(SLOW_LOCUST)
    *locust, _ = by_locust.LOCUST
    monkeypatch.setattr(by_locust, "LOCUST", (*locust, f"--locustfile={tmp_path}/slow.py", "--per-request-events"))
    made = _run(window_s=2.0)
    measured = _measured(made, Candidate(stack=programmed(tmp_path, "toy", "good")))
    assert "of the cores" in _verdicts(made, measured)[Verdict.GENERATOR_BOUND]
    summary = summarise(made, [measured])
    (row,) = throughput.rows(made, summary)
    assert row[[*throughput.COLUMNS].index("wall req/s")].startswith("~"), (
        "the server was below its quota, so its wall rate is no capacity"
    )


@pytest.mark.usefixtures("own_environments")
def test_cores_that_server_and_generator_share(tmp_path: Path) -> None:
    made = _run(generator_cores=CORES[:1])
    measured = _measured(made, Candidate(stack=programmed(tmp_path, "toy", "good")))
    assert Verdict.SHARED_CORE in _verdicts(made, measured)


@pytest.fixture(scope="module")
def in_docker(toy_name: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Candidate]:
    """Toys built on slim, by twist."""
    folder = tmp_path_factory.mktemp("frameworks")
    stacks = {
        twist: programmed(folder, f"{toy_name}_{twist}", twist) for twist in ("good", "growing", "costly", "restarted")
    }
    slim = images()["slim"]
    build_images(list(stacks.values()), [slim], report=lambda _: None)
    return {twist: Candidate(stack=stack, image=slim) for twist, stack in stacks.items()}


def test_a_server_that_is_killed_for_memory(in_docker: dict[str, Candidate]) -> None:
    made = _run(memory_bytes=64 * 2**20)
    seen = _verdicts(made, _measured(made, in_docker["growing"]))
    assert "killed for memory at its limit of 64 MB" in seen[Verdict.SERVER_DIED]


def test_a_server_that_is_throttled(in_docker: dict[str, Candidate]) -> None:
    """The verdict says so but does not exclude it from ranking."""
    made = _run(vcpu=0.1)
    measured = _measured(made, in_docker["good"])
    seen = _verdicts(made, measured)
    assert "its quota of 0.1 vCPU held the server back" in seen[Verdict.THROTTLED]
    assert measured.load is not None
    assert measured.load.server_cpu_s is not None
    assert measured.load.server_cpu_s / measured.load.duration_s < 0.15


def _per_cpu_s(measured: Window) -> float:
    assert measured.error is None
    found = requests_per_cpu_s(measured.load)
    assert found is not None
    return found


@pytest.mark.usefixtures("own_environments")
def test_the_rate_per_cpu_second_is_what_the_server_was_programmed_to(tmp_path: Path) -> None:
    measured = _measured(_run(window_s=2.0), Candidate(stack=programmed(tmp_path, "toy", "costly")))
    assert _per_cpu_s(measured) == pytest.approx(COSTLY_PER_CPU_S, rel=0.03)


@pytest.mark.parametrize("vcpu", [0.25, 1.0])
def test_the_rate_per_cpu_second_does_not_depend_on_the_quota(in_docker: dict[str, Candidate], vcpu: float) -> None:
    measured = _measured(_run(vcpu=vcpu, window_s=2.0), in_docker["costly"])
    assert _per_cpu_s(measured) == pytest.approx(COSTLY_PER_CPU_S, rel=0.03)


@pytest.mark.usefixtures("own_environments")
def test_with_all_cores_busy_the_rate_holds_and_the_disturbance_is_reported(tmp_path: Path) -> None:
    made = _run(window_s=2.0)
    with _busy(CORES, 2 * len(CORES)):
        measured = _measured(made, Candidate(stack=programmed(tmp_path, "toy", "costly")))
    assert _per_cpu_s(measured) == pytest.approx(COSTLY_PER_CPU_S, rel=0.06)
    assert Verdict.DISTURBED in _verdicts(made, measured)
