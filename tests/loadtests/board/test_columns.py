"""One list of columns serves the terminal, the page and its downloads."""

import csv
import io

from common.catalog.prices import load_prices
from common.records.figure import Conditions
from loadtests.board.columns import BY_KEY, COLUMNS, MEASURED
from loadtests.board.rows import COMMANDS, SHOWN, Row, board_rows, rows_table
from loadtests.page.writing import table_csv
from tests.loadtests.board.test_rows import EVERYTHING
from tests.support.figures import DOCKER


def _row() -> Row:
    (row,) = board_rows([DOCKER], EVERYTHING, load_prices(), vcpu=1.0)
    return row


def test_every_column_has_a_key_of_its_own() -> None:
    assert len(BY_KEY) == len(COLUMNS)


def test_figures_are_told_apart_by_conditions_that_they_have() -> None:
    assert {name for column in COLUMNS for name in column.conditions} <= set(Conditions.__struct_fields__)


def test_each_command_that_fills_gaps_measures_a_column() -> None:
    assert set(COMMANDS) == set(MEASURED)


def test_the_terminal_shows_columns_of_the_page() -> None:
    headings = [str(column.header) for column in rows_table([_row()], vcpu=1.0).columns]
    assert headings == ["stack", "runtime", *(BY_KEY[column.key].heading.replace("µ", "u") for column in SHOWN)]


def test_the_download_has_every_column_in_its_unit() -> None:
    row = _row()
    (line,) = csv.DictReader(io.StringIO(table_csv([row])))
    shown = {column.key: float(line[column.key]) for column in COLUMNS if column.key in row.values}
    assert shown == {key: value.estimate for key, value in row.values.items()}
