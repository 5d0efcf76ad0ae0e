"""Starts of tasks form a table, with notes on each phase."""

import io

from msgspec.structs import replace
from rich.console import Console

from loadtests.reports.fargate import notes, table
from loadtests.summaries.fargate import STARTUP, summarise
from tests.support.fargate_records import CELLS, SIZE, fargate_run, task_starts

PHASES = {"provisioning_s": 1.0, "pull_s": 2.0, "start_s": 3.0, "ready_s": -0.5}


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
