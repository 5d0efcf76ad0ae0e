"""Load generators are compared within rounds, and a distributed window's problems are named."""

import pytest

from common.records.window import Load
from loadtests.summaries.generator import summarise, summarise_distributed
from tests.support.generator_records import CELLS, distributed_run, generator_run, generator_visit
from tests.support.records import load, setup, window, worker

OURS, WRK, FAST = CELLS


def test_generators_are_compared_within_rounds() -> None:
    """The second round is twice as fast for all, which cancels."""
    visits = [
        generator_visit(cell, number, requests * number)
        for number in (1, 2)
        for cell, requests in ((OURS, 9000), (WRK, 10_000), (FAST, 1000))
    ]
    ours, wrk, fast = summarise(generator_run(), visits).rows
    assert ours.requests_per_cpu_s is not None
    assert ours.requests_per_cpu_s.estimate == pytest.approx(18_000 * 2**0.5)
    assert ours.to_wrk is not None
    assert ours.to_wrk.estimate == pytest.approx(0.9)
    assert ours.to_wrk.low == pytest.approx(0.9)
    assert wrk.to_wrk is not None
    assert wrk.to_wrk.estimate == 1
    assert fast.to_wrk is not None
    assert fast.to_wrk.estimate == pytest.approx(0.1)
    assert ours.to_fast_http_user is not None
    assert ours.to_fast_http_user.estimate == pytest.approx(9)
    assert ours.core_share == 0.5


def test_a_window_without_requests_has_no_value() -> None:
    visits = [generator_visit(OURS, 1, 0, generator_cpu_s=0.0, duration_s=0.0, error="it sent nothing")]
    ours, wrk, _ = summarise(generator_run(), visits).rows
    assert (ours.requests_per_cpu_s, ours.core_share, ours.to_wrk) == (None, None, None)
    assert wrk.requests_per_cpu_s is None


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (load(workers=[worker()]), None),
        (load(server_gone="it died"), "the server was lost: it died."),
        (load(failures={"timeout": 2, "wrong body": 1}), "failures: timeout x 2, wrong body x 1."),
        (load(workers_lost=1), "1 workers were lost"),
        (load(workers=[worker(joined_late=True)]), "1 workers joined in mid-window"),
        (load(workers=[worker(generator_cpu_s=1.7)]), "worker one used 85% of a core; use more workers."),
    ],
)
def test_each_problem_of_a_distributed_window_is_named(found: Load, problem: str | None) -> None:
    summary = summarise_distributed(distributed_run(setup()), [window("here", 1, found)])
    assert summary.load == found
    assert len(summary.problems) == (0 if problem is None else 1)
    assert (problem or "") in "".join(summary.problems)


def test_a_distributed_run_without_a_window_says_why() -> None:
    summary = summarise_distributed(distributed_run(setup()), [window("here", 1, None, "no worker joined")])
    assert (summary.load, summary.problems) == (None, ["no worker joined"])
