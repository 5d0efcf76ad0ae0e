"""Results in other forms than a terminal's: CSV, Markdown and JSON; and parts of tables that fit a narrow terminal."""

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import takewhile

import msgspec
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""The characters that begin a formula in a spreadsheet."""
_SIGNED = re.compile(r"[+-](\d[\d,.]*( ?%)?)?")
_BLOCK = re.compile(r"([#+=~-]+|\d+[.)])(\s|$)|[=-]+$|~~~")
"""The beginning of a line that Markdown would take for a heading, a list, a rule or a fence."""
_CONTROLS = dict.fromkeys(
    [*(code for code in range(0x20) if chr(code) not in "\n\t"), *range(0x7F, 0xA0), *range(0x202A, 0x202F),
     *range(0x2066, 0x206A)],
    "\N{REPLACEMENT CHARACTER}",
)  # fmt: skip
"""Control characters, and those that turn the direction of writing."""
_ESCAPES = {code: f"\\u{code:04x}" for code in _CONTROLS}
"""The same in JSON, whose strings alone can hold them."""


class Form(StrEnum):
    """The format in which a command prints its result."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


def as_csv(table: Table) -> str:
    """Return a table as CSV, its numbers without separators of thousands."""
    text = io.StringIO()
    lines = [_headings(table), *([_number(cell) for cell in row] for row in _rows(table))]
    csv.writer(text, lineterminator="\n").writerows(map(spreadsheet_cells, lines))
    return text.getvalue()


def as_json(value: object) -> str:
    """Return a value as a line of JSON, in which escapes stand for what would move a terminal's cursor or the like."""
    return msgspec.json.encode(value).decode().translate(_ESCAPES) + "\n"


def spreadsheet_cells(line: Iterable[object]) -> list[object]:
    """Return the cells of a line such that no spreadsheet takes a text for a formula."""
    return [_spreadsheet_text(cell) if isinstance(cell, str) else cell for cell in line]


def _spreadsheet_text(text: str) -> str:
    return harmless(f"'{text}" if _is_formula(text) else text)


def _is_formula(text: str) -> bool:
    return text.startswith(_FORMULA) and _SIGNED.fullmatch(text) is None


def as_markdown(table: Table) -> str:
    """Return a table as Markdown, under its title."""
    left = [_plain(column.header) for column in table.columns if column.justify == "left"]
    title = markdown_text(_plain(table.title or ""))
    return (f"{title}\n\n" if title else "") + markdown_table(_headings(table), _rows(table), left=left)


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, left: Collection[str] = ()) -> str:
    """Return a Markdown table whose columns are set right but those in ``left``; no text of it is taken for markup."""
    rule = ["---" if heading in left else "---:" for heading in headings]
    return "".join(
        f"| {' | '.join(line)} |\n" for line in [map(_inline, headings), rule, *(map(_inline, row) for row in rows)]
    )


def parts(table: Table, console: Console) -> Iterator[Table]:
    """Yield a table in parts that are no wider than the console, each with the columns that name its rows.

    Those are the columns up to the first that is set left, and others set left right after it, unless all are. A column
    that does not fit beside them stands alone. Text is broken only where that keeps the table in one part.
    """
    names = _names(table, console)
    others = table.columns[len(names) :]
    whole = _part(table, names, others, console)
    width = _width(whole, console)
    if width.maximum <= console.width:
        yield table
    elif width.minimum <= console.width:
        _spread(whole, console)
        yield whole
    else:
        yield from _parts(table, names, others, console)


def _names(table: Table, console: Console) -> Sequence[Column]:
    """Return the columns that name a table's rows: one alone if all are set left, or if more leave others no room."""
    sides = [column.justify for column in table.columns]
    first = sides.index("left") if "left" in sides else 0
    count = sum(1 for _ in takewhile(lambda side: side == "left", sides[first:]))
    names, others = table.columns[: first + count], table.columns[first + count :]
    if count and others:
        widest = max(others, key=lambda column: _need(column, console).minimum)
        if _width(_part(table, names, [widest], console), console).minimum <= console.width:
            return names
    return table.columns[: first + 1]


def _parts(table: Table, names: Sequence[Column], others: Sequence[Column], console: Console) -> Iterator[Table]:
    while others:
        count, part = len(others), _part(table, names, others, console)
        while count > 1 and _width(part, console).maximum > console.width:
            count -= 1
            part = _part(table, names, others[:count], console)
        _spread(part, console)
        yield part
        others = others[count:]


def _part(table: Table, names: Sequence[Column], others: Sequence[Column], console: Console) -> Table:
    """Return a table of these columns, whose names and numbers stay on one line."""
    made = Table(title=table.title, title_justify=table.title_justify, box=table.box, padding=table.padding,
                 pad_edge=table.pad_edge)  # fmt: skip
    for number, column in enumerate((*names, *others)):
        whole = number < len(names) or column.no_wrap
        width = _need(column, console).maximum if whole else None
        made.add_column(column.header, justify=column.justify, width=width, overflow="fold")
    for row in zip(*(column.cells for column in (*names, *others)), strict=True):
        made.add_row(*row)
    return made


def _spread(table: Table, console: Console) -> None:
    """Give other columns the width of their longest word, and the rest to those that need least to stay on one line.

    Rich would narrow the widest columns first, also below the length of a word.
    """
    spare = max(0, console.width - _width(table, console).minimum)
    flexible = [(_need(column, console), column) for column in table.columns if column.width is None]
    for need, column in sorted(flexible, key=lambda pair: pair[0].span):
        extra = min(spare, need.span)
        column.width, spare = need.minimum + extra, spare - extra


def _need(column: Column, console: Console) -> Measurement:
    """Return the width of a column's longest word, and of its longest line."""
    texts = [Measurement.get(console, console.options, text) for text in (column.header, *column.cells)]
    return Measurement(max(text.minimum for text in texts), max(text.maximum for text in texts))


def _width(table: Table, console: Console) -> Measurement:
    """Return the least width at which no word of a table is cut, and the one at which no text is broken."""
    return Measurement.get(console, console.options.update(max_width=10_000), table)


def _headings(table: Table) -> list[str]:
    return [_plain(column.header) for column in table.columns]


def _rows(table: Table) -> list[list[str]]:
    return [[_plain(cell) for cell in row] for row in zip(*(column.cells for column in table.columns), strict=True)]


def _plain(cell: object) -> str:
    """Return a cell's text, taken literally as on our consoles, which read no markup."""
    return harmless(cell.plain if isinstance(cell, Text) else str(cell))


def _number(text: str) -> str:
    return text.replace(",", "") if re.fullmatch(r"[~+-]?\d{1,3}(,\d{3})+(\.\d+)?\*?", text) else text


def markdown_text(text: str) -> str:
    """Escape what Markdown would take for markup in a line of its own."""
    within = _inline(text)
    return f"\\{within}" if _BLOCK.match(within) else within


def _inline(text: str) -> str:
    """Escape markup within a line, but no underscore between letters or digits."""
    special = r"([\\|<>`*\[\]]|~~|(?<![^\W_])_|_(?![^\W_]))"
    return re.sub(special, r"\\\1", " ".join(harmless(text).split()))


def harmless(text: str) -> str:
    """Return a text in which nothing moves a terminal's cursor, sets its title or turns the direction of writing."""
    return text.translate(_CONTROLS)
