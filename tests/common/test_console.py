"""A terminal shows the table, the step and an honest time left; elsewhere there is a line a step."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from common.console import format_clock, live_progress


def _shown(*, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=160, color_system=None)
    with live_progress("hello", 4, console) as display:
        table = Table("stack", "undecided pairs")
        table.add_row("falcon", "3")
        display.show(table)
        display.start("round 1/20 falcon")
        display.done("round 1/20 falcon: 4,000 req/s per vCPU")
        display.expect(9, 125.0)
        display.progress.refresh()
    return out.getvalue()


def test_a_terminal_shows_the_table_so_far_and_the_most_that_is_left() -> None:
    shown = _shown(terminal=True)
    for part in ("undecided pairs", "falcon", "1/9", "at most 2:0", "left"):
        assert part in shown


def test_a_file_gets_a_line_a_step_and_nothing_that_moves() -> None:
    assert _shown(terminal=False) == "round 1/20 falcon: 4,000 req/s per vCPU\n"


@pytest.mark.parametrize(
    ("duration_s", "expected"), [(0.0, "0:00"), (65.2, "1:05"), (599.9, "9:59"), (4000.0, "66:40")]
)
def test_a_duration_reads_as_minutes_and_seconds(duration_s: float, expected: str) -> None:
    assert format_clock(duration_s) == expected
