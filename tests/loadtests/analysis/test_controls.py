"""The controls of a run: drift is a change that lasts, and the worst value is reported."""

import os
from pathlib import Path

import pytest

from common.host.core_times import core_times
from loadtests.analysis.controls import drift, watch
from loadtests.visits.canary import time_reference_work
from tests.support.records import canary, cell, load, run, window


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([], None),
        ([1.0], None),
        ([1.0, 1.2], 0.2),
        ([1.0, 1.2, 1.0], 0.2),
        ([1.0, 1.0, 1.5, 1.0, 1.0], 0.0),
        ([1.0, 1.0, 1.5, 1.5, 1.0], 0.5),
        ([1.0, 1.1, 1.2, 1.3, 1.4], 0.2 / 1.1),
    ],
)
def test_a_drift_is_a_change_that_lasts_longer_than_a_round(values: list[float], wanted: float | None) -> None:
    found = drift(values)
    assert found == (None if wanted is None else pytest.approx(wanted))


def test_canaries_are_ordered_by_round() -> None:
    canaries = [
        canary(number, cpu_s=cpu_s, wall_s=1, load_average=number / 2)
        for number, cpu_s in ((3, 1.0), (1, 1.0), (4, 1.2), (2, 1.0))
    ]
    found = watch(run([]), [], canaries, {})
    assert found.canary_drift == pytest.approx(0.0)
    assert found.load_average_max == 2.0
    assert found.canary_cpu_s is not None
    assert found.canary_cpu_s.n == 4


def test_shares_cover_all_windows_but_the_generators_is_its_highest() -> None:
    loads = [load(generator_cpu_s=0.2), load(generator_cpu_s=1.4, steal_all_s=0.4, generator_run_delay_s=1.0)]
    windows = [window("a+b", number, one) for number, one in enumerate(loads, 1)]
    found = watch(run([cell("a+b")]), windows, [], {})
    assert (found.generator_utilisation_max, found.steal, found.generator_waited) == (0.7, 0.05, 0.25)
    assert (found.throttled, found.foreign, found.canary_drift) == (None, None, None)


def test_reference_work_runs_on_the_given_cores_and_restores_the_processs_own() -> None:
    before = os.sched_getaffinity(0)
    core = max(before)
    first, second = (time_reference_work(canary(number), [core]) for number in (1, 2))
    assert os.sched_getaffinity(0) == before
    for one in (first, second):
        assert 0 < one.cpu_s <= one.wall_s * 1.05
        assert one.load_average is not None
    assert first.cpu_s == pytest.approx(second.cpu_s, rel=0.5)
    assert (first.round, second.round) == (1, 2)


STAT = """\
cpu  1000 100 200 5000 50 10 20 7 0 0
cpu0 600 0 100 2500 25 5 10 3 0 0
cpu1 400 100 100 2500 25 5 10 4 0 0
cpu10 9 9 9 9 9 9 9 9 0 0
intr 5
"""


@pytest.mark.parametrize(
    ("cores", "busy", "steal"), [(None, 1330, 7), ([0], 715, 3), ([0, 1], 1330, 7), ([10], 45, 9), ([], 0, 0)]
)
def test_times_of_cores_are_sums_over_the_kernels_table(
    tmp_path: Path, cores: list[int] | None, busy: int, steal: int
) -> None:
    (tmp_path / "stat").write_text(STAT)
    found = core_times(cores, stat=tmp_path / "stat")
    ticks = os.sysconf("SC_CLK_TCK")
    assert found.busy_s == pytest.approx(busy / ticks)
    assert found.steal_s == pytest.approx(steal / ticks)


def test_times_since_a_reading_are_the_difference(tmp_path: Path) -> None:
    (tmp_path / "before").write_text(STAT)
    (tmp_path / "after").write_text(STAT.replace("cpu0 600 0", "cpu0 650 0"))
    found = core_times([0], stat=tmp_path / "after").since(core_times([0], stat=tmp_path / "before"))
    assert found.busy_s == pytest.approx(50 / os.sysconf("SC_CLK_TCK"))
    assert found.steal_s == 0
