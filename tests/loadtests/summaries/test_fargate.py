"""Cells are compared with the first one within rounds; a stack's figure is its start-up time."""

import pytest

from common.records.figure import Metric
from common.records.summary import Verdict
from loadtests.statistics.intervals import mean_interval
from loadtests.summaries.fargate import STARTUP, figures, summarise
from tests.support.fargate_records import fargate_run, task_start, task_starts


def test_a_mean_has_students_interval() -> None:
    found = mean_interval([1.0, 2.0, 3.0])
    assert found is not None
    assert (found.estimate, found.n) == (2, 3)
    assert found.high == pytest.approx(2 + 4.302653 / 3**0.5, rel=1e-6)
    assert mean_interval([]) is None


def test_cells_are_compared_with_the_first_within_rounds() -> None:
    """Differences between rounds cancel, and a round missing from one cell does not count."""
    summary = summarise(fargate_run(), task_starts())
    first, second = summary.cells
    assert first.difference_s is None
    assert second.difference_s is not None
    assert (second.difference_s.estimate, second.difference_s.n) == (2.25, 2)
    assert (second.failed, first.failed) == (1, 0)
    assert summary.dollars == pytest.approx(0.05)


def test_startup_has_no_reference_cell() -> None:
    """Its cells are different stacks, none of which is the reference."""
    assert {row.difference_s for row in summarise(fargate_run(STARTUP), task_starts()).cells} == {None}


def test_only_startup_gives_a_figure_for_each_stack() -> None:
    run, starts = fargate_run(STARTUP), task_starts()
    a, b = figures(run, summarise(run, starts))
    assert (a.metric, a.value.estimate, a.value.n, a.verdict) == (Metric.START_S, 20.0, 3, Verdict.VALID)
    assert (b.subject.framework, b.verdict) == ("b", Verdict.SERVER_DIED)
    assert (a.conditions.vcpu, a.conditions.workers) == (1, 1)
    factor = fargate_run()
    assert list(figures(factor, summarise(factor, starts))) == []


def test_a_stack_that_never_started_has_no_figure() -> None:
    run = fargate_run(STARTUP)
    starts = [task_start(cell, 1, error="no room") for cell in ("a", "b")]
    assert list(figures(run, summarise(run, starts))) == []
