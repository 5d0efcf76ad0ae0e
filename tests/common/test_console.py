"""A terminal shows the table so far, the current step and the time left; other outputs get one line per step."""

import io
import json

import pytest
from rich.console import Console
from rich.table import Table

from common.console import Terminal, format_clock, live_progress
from common.tables import as_csv, as_json
from tests.support.hostile import HOSTILE, unprintable


def _output(*, terminal: bool) -> str:
    """Return what a display of a few steps prints."""
    buffer = io.StringIO()
    console = Console(file=buffer, force_terminal=terminal, width=160, color_system=None)
    with live_progress("hello", 4, console) as display:
        table = Table("stack", "undecided pairs")
        table.add_row("falcon", "3")
        display.show(table)
        display.start("round 1/20 falcon")
        display.done("round 1/20 falcon: 4,000 req/s per vCPU")
        display.expect(9, 125.0)
        display.progress.refresh()
    return buffer.getvalue()


def test_terminal_shows_the_table_so_far_and_the_longest_time_left() -> None:
    printed = _output(terminal=True)
    for part in ("undecided pairs", "falcon", "1/9", "at most 2:0", "left"):
        assert part in printed


def test_file_gets_one_line_per_step_and_no_control_characters() -> None:
    assert _output(terminal=False) == "round 1/20 falcon: 4,000 req/s per vCPU\n"


@pytest.mark.parametrize(
    ("duration_s", "expected"), [(0.0, "0:00"), (65.2, "1:05"), (599.9, "9:59"), (4000.0, "66:40")]
)
def test_duration_is_formatted_as_minutes_and_seconds(duration_s: float, expected: str) -> None:
    assert format_clock(duration_s) == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb", r"a\nb"), ("\x1b[2J", r"\x1b[2J"), ("\u202eab", r"\u202eab"), ("\udce9", r"\udce9"), ("é 漢", "é 漢")],
)
def test_a_message_is_one_line_whatever_it_quotes(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().say(f"invalid OUT={text}")
    assert capsys.readouterr().err == f"invalid OUT={shown}\n"


@pytest.mark.parametrize("text", ["o[/red]", "[link=x", "a[bold]b", "\\[x]", "host:o:1"])
def test_what_a_user_names_is_printed_as_it_is_and_never_read_as_markup(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal, table = Terminal(), Table(text, title=text)
    table.add_row(text)
    for console in (terminal.results, terminal.messages):
        console.print(text)
        console.print(table)
    terminal.say(f"written to {text}")
    out, err = capsys.readouterr()
    assert out.count(text) == 4
    assert err.count(text) == 5


@pytest.mark.parametrize(
    "text", [*HOSTILE, "\x7f\x85\u2066\u2069", "\t\n\\u202e", "é 漢 \N{GRINNING FACE}"], ids=range(53)
)
def test_json_keeps_every_character_and_none_of_them_reaches_a_terminal(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record = {"name": text, f"{text} as a key": [text]}
    Terminal().write(as_json(record))
    written = capsys.readouterr().out
    assert json.loads(written) == record
    assert unprintable(written) == []
    assert written.count("\n") == 1


def test_what_is_written_for_other_programs_reaches_them_to_the_last_character(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = Table("a")
    table.add_row("before\tafter " + "long " * 100)
    Terminal().write(as_csv(table))
    assert capsys.readouterr().out == f"a\nbefore\tafter {'long ' * 100}\n"
