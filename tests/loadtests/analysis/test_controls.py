"""The controls of a run: drift is a change that lasts, and the worst value is reported."""

import pytest

from loadtests.analysis.controls import drift, watch
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
