"""Tables for programs and for narrow terminals hold the same names and numbers, none of them cut."""

import csv
import io

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.console import Terminal
from common.tables import Form, as_csv, as_markdown
from loadtests.analysis.formatting import plain_table

NAME = "flask_restful+gunicorn-gthread@alpine"
HOSTILE = "[bold]<script>|*_`,\n=1"


@pytest.fixture
def table() -> Table:
    headings = ("rank", "stack", *(f"figure {number}" for number in range(12)), "verdict")
    rows: list[tuple[str | Text, ...]] = [
        ("1", NAME, *(["42,853"] * 12), "valid"),
        ("2", HOSTILE, *(["~1,234.5"] * 12), Text("too-few-rounds")),
    ]
    return plain_table("the title", headings, rows, left={"stack", "verdict"})


def shown(table: Table, form: Form, width: int = 150) -> str:
    file = io.StringIO()
    Terminal(results=Console(file=file, width=width, highlight=False, markup=False), form=form).show(table)
    return file.getvalue()


def test_csv_has_plain_numbers_and_whole_names(table: Table) -> None:
    first, second = csv.DictReader(io.StringIO(shown(table, Form.CSV)))
    assert (first["stack"], first["figure 0"], first["verdict"]) == (NAME, "42853", "valid")
    assert (second["stack"], second["figure 0"]) == (HOSTILE, "~1234.5")


def test_markdown_escapes_what_would_be_markup(table: Table) -> None:
    lines = as_markdown(table).splitlines()
    assert lines[0] == "the title"
    assert lines[3].startswith("| ---: | --- | ---: |")
    assert r"\[bold\]\<script\>\|\*\_\`, =1" in lines[5]
    assert len({line.replace(r"\|", "").count("|") for line in lines[2:]}) == 1


@pytest.mark.parametrize("width", [80, 100, 120, 140, 160, 180])
def test_no_name_and_no_number_is_cut_on_a_narrow_terminal(table: Table, width: int) -> None:
    text = shown(table, Form.TEXT, width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count(NAME) == text.count("stack")
    assert text.count("42,853") == 12
    assert "…" not in text


@pytest.mark.parametrize("width", range(90, 180, 7))
def test_text_is_broken_between_words_only(width: int) -> None:
    headings = ("rank", "stack", "version", "rounds", "req/s per vCPU", "95 % interval", "CPU", "verdict")
    row = ("10-12", f"{NAME} (control)", "0.165.0", "5*", "13,748", "13,346 to 14,161", "97%", "too-few-rounds")
    text = shown(plain_table("the title", headings, [row], left={"stack", "version", "verdict"}), Form.TEXT, width)
    assert max(map(len, text.splitlines())) <= width
    for word in (f"{NAME} (control)", "version", "interval", "13,346", "14,161", "too-few-rounds", "verdict"):
        assert word in text


@pytest.mark.parametrize("width", [80, 100, 120, 400])
def test_a_table_of_texts_alone_loses_none_of_them(width: int) -> None:
    headings = ("name", *(f"text-{number}" for number in range(8)))
    row = ("falcon", *(f"what-{number} " + "is said here " * 3 for number in range(8)))
    text = shown(plain_table("the title", headings, [row], left=set(headings)), Form.TEXT, width)
    assert max(map(len, text.splitlines())) <= width
    for word in (*headings, *(f"what-{number}" for number in range(8))):
        assert word in text


def test_names_that_leave_no_room_for_the_rest_are_not_repeated() -> None:
    headings = ("stack", "command line", "figure", "other figure")
    text = shown(plain_table("", headings, [(NAME, "x" * 36, "42,853", "7")], left=set(headings[:2])), Form.TEXT, 80)
    assert max(map(len, text.splitlines())) <= 80
    for word in (NAME, "x" * 36, "42,853", "other figure"):
        assert word in text


def test_a_table_that_fits_is_not_taken_apart(table: Table) -> None:
    assert shown(table, Form.TEXT, 200).count(NAME) == 1


def test_a_piped_table_has_no_colours(table: Table) -> None:
    assert "\x1b" not in shown(table, Form.TEXT)


@pytest.mark.parametrize("form", list(Form))
def test_notes_stay_out_of_data(form: Form) -> None:
    results, messages = io.StringIO(), io.StringIO()
    terminal = Terminal(results=Console(file=results), messages=Console(file=messages), form=form)
    terminal.note("to be known")
    is_data = form in {Form.CSV, Form.JSON}
    assert ("to be known" in messages.getvalue()) is is_data
    assert ("to be known" in results.getvalue()) is not is_data


def test_csv_of_an_empty_table_is_its_headings() -> None:
    assert as_csv(plain_table("", ("a", "b"), [])) == "a,b\n"
