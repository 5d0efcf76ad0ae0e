"""Starts of tasks become rows and differences, and a table with notes on each phase."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from common.records.figure import Metric
from common.records.summary import Verdict
from loadtests.experiments.fargate.report import STARTUP, figures, notes, summarise, table
from loadtests.statistics.intervals import mean_interval
from tests.support.fargate_records import CELLS, SIZE, fargate_run, task_start, task_starts

PHASES = {"provisioning_s": 1.0, "pull_s": 2.0, "start_s": 3.0, "ready_s": -0.5}


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
    assert (a.metric, a.value.estimate, a.value.n, a.verdict) == (Metric.START_S, 20.0, 3, Verdict.TOO_FEW_ROUNDS)
    assert (b.subject.framework, b.verdict) == ("b", Verdict.SERVER_DIED)
    assert (a.conditions.vcpu, a.conditions.workers) == (1, 1)
    factor = fargate_run()
    assert list(figures(factor, summarise(factor, starts))) == []


@pytest.mark.parametrize(("count", "verdict"), [(4, Verdict.TOO_FEW_ROUNDS), (5, Verdict.VALID)])
def test_a_figure_of_few_starts_is_not_valid(count: int, verdict: Verdict) -> None:
    """The same holds for starts in Docker, and the board shows the newest valid figure."""
    run = fargate_run(STARTUP)
    (figure,) = figures(run, summarise(run, [task_start("a", number, total_s=20.0) for number in range(count)]))
    assert figure.verdict is verdict


def test_a_stack_that_never_started_has_no_figure() -> None:
    run = fargate_run(STARTUP)
    starts = [task_start(cell, 1, error="no room") for cell in ("a", "b")]
    assert list(figures(run, summarise(run, starts))) == []


def _shown(name: str, **phases: float) -> str:
    run = fargate_run(name)
    console = Console(width=170, file=io.StringIO(), record=True)
    console.print(table(run, summarise(run, task_starts(**phases))))
    return console.export_text()


def _row(text: str, cell: str) -> list[str]:
    (row,) = [line.split() for line in text.splitlines() if line.split()[:1] == [cell]]
    return row


def test_the_table_has_a_row_for_each_cell_with_its_phases_and_its_difference() -> None:
    text = _shown("image-size", **PHASES)
    assert "image-size: starts of 3 Fargate tasks a cell, 1 vCPU / 2048 MiB, X86_64" in text
    a, b = (_row(text, cell) for cell in CELLS)
    assert a[1:3] == ["3", "0"]
    assert a[3:11] == ["1.00", "±0.00", "2.00", "±0.00", "3.00", "±0.00", "-0.50", "±0.00"]
    assert b[1:3] == ["2", "1"]
    assert "+2.25 (" in text


def test_startup_has_no_column_of_differences() -> None:
    assert "minus the first" in _shown("image-size")
    assert "minus the first" not in _shown(STARTUP)


def test_what_all_cells_have_in_common_is_in_the_title() -> None:
    run = fargate_run()
    same = replace(run, cells=[replace(cell, image="registry.test/a:1") for cell in run.cells])
    assert "a:1, 1 vCPU / 2048 MiB, X86_64" in str(table(same, summarise(same, [])).title)
    assert SIZE.vcpu == 1


def test_a_note_names_the_cells_without_pull_times() -> None:
    run = fargate_run()
    found = list(notes(run, summarise(run, task_starts())))
    assert "-: ECS gave no pull times for a, b." in found
    assert not any("pull times" in note for note in notes(run, summarise(run, task_starts(**PHASES))))
    assert found[-1] == "the tasks cost $0.0500 (never), data transfer not counted."
