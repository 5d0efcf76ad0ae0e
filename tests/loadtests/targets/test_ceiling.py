"""The generator's ceiling is measured in a closed loop on the run's cores, unless the load comes from elsewhere."""

import os

import pytest

from common.records.load import Arrivals, Rate, Setup
from common.records.run import SECOND_TASK_PATH
from common.records.window import Load
from common.runtimes.running_server import RunningServer
from loadtests.targets import ceiling
from loadtests.targets.ceiling import with_ceiling
from tests.support import records

CORES = sorted(os.sched_getaffinity(0))


def test_the_ceiling_is_what_a_closed_loop_reaches_whatever_the_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Setup] = []

    def measure(server: RunningServer, setup: Setup) -> Load:
        assert server.exit_reason() is None
        measured.append(setup)
        return records.load(50_000, duration_s=1.0, generator_cpu_s=0.5)

    monkeypatch.setattr(ceiling, "measure", measure)
    setup = records.setup(
        scenario="ramp",
        rate=Rate(rps=500),
        arrivals=Arrivals.POISSON,
        users=4,
        server_cores=CORES[:1],
        generator_cores=CORES[-1:],
    )
    found = with_ceiling(setup)
    (seen,) = measured
    assert (seen.load.scenario, seen.load.rate, seen.load.arrivals, seen.load.users) == ("hello", None, None, 4)
    assert found.load == setup.load, "the run's own load is as it was"
    assert found.ceiling is not None
    assert (found.ceiling.requests, found.ceiling.requests_per_cpu_s) == (50_000, 100_000)


def test_the_ceiling_of_a_second_task_is_not_measured_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceiling, "measure", lambda *_: pytest.fail("it was measured"))
    setup = records.setup(load_path=SECOND_TASK_PATH, server_cores=[])
    assert with_ceiling(setup) == setup


@pytest.mark.slow
def test_a_real_generator_has_a_ceiling() -> None:
    found = with_ceiling(records.setup(users=4, server_cores=CORES[:1], generator_cores=CORES[-1:]))
    assert found.ceiling is not None
    assert found.ceiling.requests > 1000
    assert 0.9 < found.ceiling.duration_s < 1.5
