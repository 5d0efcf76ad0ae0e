"""The reference work is timed on the server's cores, and the process's own cores are restored."""

import os

from loadtests.visits.canary import time_reference_work
from tests.support import records


def test_the_work_takes_some_time_on_the_cores_it_was_given() -> None:
    before = os.sched_getaffinity(0)
    found = time_reference_work(records.canary(3, cpu_s=0.0, wall_s=0.0), [min(before)])
    assert (found.round, found.cell) == (3, "")
    assert 0.005 < found.cpu_s <= found.wall_s < 5
    assert found.steal_s >= 0
    assert found.load_average is not None
    assert os.sched_getaffinity(0) == before
