"""The controls of a run: shares are of all windows, and the generator's is its highest."""

from loadtests.analysis.controls import watch
from tests.support.records import cell, load, run, window


def test_shares_cover_all_windows_but_the_generators_is_its_highest() -> None:
    loads = [load(generator_cpu_s=0.2), load(generator_cpu_s=1.4, steal_all_s=0.4, generator_run_delay_s=1.0)]
    windows = [window("a+b", number, one) for number, one in enumerate(loads, 1)]
    found = watch(run([cell("a+b")]), windows, {})
    assert (found.generator_utilisation_max, found.steal, found.generator_waited) == (0.7, 0.05, 0.25)
    assert (found.throttled, found.foreign) == (None, None)
