"""The page's one table: the text and the drawn interval of each cell, and what its script needs to know. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from common.records.figure import Figure
from common.records.summary import Decision, Interval
from loadtests.analysis.formatting import MISSING, limits
from loadtests.page.columns import BY_KEY, COLUMNS, Column
from loadtests.page.model import Page, RankRange, StackRow
from loadtests.page.stacks import part_id


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """One figure in the table."""

    key: str
    value: str
    """The estimate, for sorting; empty where nothing is known."""
    text: str
    title: str
    """Its interval, date and run, or what would measure it."""
    drawn: str
    """The positions of interval and estimate in the cell, as CSS variables; empty where nothing is known."""


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One stack."""

    row: StackRow
    part: str
    names: str
    """Everything that the filter looks for, in lower case."""
    drawn_rank: str
    cells: Sequence[TableCell]
    ties: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A filter with the values that it offers."""

    key: str
    label: str
    values: Sequence[str]


def table_rows(page: Page) -> list[TableRow]:
    """Return the rows of the table."""
    most = {column.key: _most(page, column) for column in COLUMNS}
    names = {row.cell: row.subject.name for row in page.rows if row.cell}
    return [_table_row(page, row, most, names) for row in page.rows]


def shown_columns(page: Page) -> set[str]:
    """Return the columns that are shown unless chosen otherwise: those of them that something is known of."""
    known = {key for row in page.rows for key in row.values}
    known |= {"rate"} if any(row.doubtful_rate for row in page.rows) else set()
    return {column.key for column in COLUMNS if column.shown and column.key in known}


def choices(page: Page) -> list[Choice]:
    """Return the filters that leave more than one choice."""
    every = [
        Choice(key="interface", label="Interface", values=_sorted(row.interface for row in page.rows)),
        Choice(key="server", label="Server", values=_sorted(row.subject.server for row in page.rows)),
        Choice(key="image", label="Image", values=_sorted(row.subject.image or "none" for row in page.rows)),
        Choice(key="runtime", label="Runtime", values=_sorted(str(row.subject.runtime) for row in page.rows)),
        Choice(key="size", label="vCPU", values=_sorted(f"{row.vcpu:g}" for row in page.rows)),
        Choice(key="closing", label="Connections", values=_sorted(connections(row) for row in page.rows)),
        Choice(key="verdict", label="Verdict", values=_sorted(verdict(row) for row in page.rows)),
    ]
    return [one for one in every if len(one.values) > 1]


def connections(row: StackRow) -> str:
    """Return what a server does with a connection after a response."""
    return "keep-alive" if row.keep_alive else "closing"


def verdict(row: StackRow) -> str:
    """Return the verdict, or that the load test that ranks did not measure the stack."""
    return str(row.verdict or "not ranked here")


def script_data(page: Page) -> str:
    """Return what the page's script needs as JSON that can stand in a script element."""
    test = page.test
    places = {row.cell: place for place, row in enumerate(page.rows) if row.cell}
    pairs = [
        [places[pair.a], places[pair.b], *_rounded(pair.ratio), pair.decision is Decision.EQUIVALENT]
        for pair in (test.summary.pairs if test and test.gives_rates else ())
        if pair.ratio is not None and pair.a in places and pair.b in places
    ]
    data = {
        "margin": test.run.stopping.margin if test else 0.05,
        "floor": page.floor.id if page.floor else "",
        "shown": [column.key for column in COLUMNS if column.key in shown_columns(page)],
        "more": [column.key for column in COLUMNS if column.more_is_better],
        "pairs": pairs,
    }
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _rounded(ratio: Interval) -> list[float | None]:
    return [None if one is None else round(one, 4) for one in (ratio.estimate, ratio.low, ratio.high)]


def value_texts(row: StackRow, key: str) -> tuple[str, str]:
    """Return a figure and its interval as texts."""
    value, show = row.values.get(key), BY_KEY[key].text
    return MISSING if value is None else show(value.estimate), limits(value, show)


def _table_row(page: Page, row: StackRow, most: Mapping[str, float], names: Mapping[str, str]) -> TableRow:
    one = row.subject
    return TableRow(
        row=row,
        part=part_id(one),
        names=" ".join(filter(None, (one.name, row.title, row.version, row.interface, str(one.runtime)))).casefold(),
        drawn_rank=_drawn_rank(row.rank),
        cells=[_cell(page, row, column, most[column.key]) for column in COLUMNS],
        ties=[names.get(name, name) for name in row.rank.ties] if row.rank else [],
    )


def _cell(page: Page, row: StackRow, column: Column, most: float) -> TableCell:
    value = row.values.get(column.key)
    if value is None:
        text, title = _doubtful(row, column), _missing(page, row, column)
        return TableCell(key=column.key, value="", text=text, title=title, drawn="")
    return TableCell(
        key=column.key,
        value=f"{value.estimate:.6g}",
        text=column.text(value.estimate),
        title=_known(row, column, value),
        drawn=_drawn(value, most),
    )


def _doubtful(row: StackRow, column: Column) -> str:
    """Return a figure that is not valid in brackets: it is not sorted, drawn or compared."""
    if column.key != "rate" or row.doubtful_rate is None:
        return MISSING
    return f"({column.text(row.doubtful_rate.estimate)})"


def _missing(page: Page, row: StackRow, column: Column) -> str:
    """Return why a figure is missing; doubts about other rates than the page's are no reason."""
    if column.key == "image" and row.subject.image is None:
        return "a process has no image"
    if column.key == "over" and row.floor:
        return "this is the floor"
    if column.command == "loadtest" and row.doubts and row.tested is None and page.test and page.test.gives_rates:
        return " ".join(row.doubts.values())
    if column.key == "over" and row.tested is not None:
        return "no floor on the same server was measured in the same rounds"
    if column.key == "busy" and row.tested is not None:
        return "no window has the 1,000 requests, timed by Locust, that a 99th percentile takes"
    return f"not measured: make {column.command}"


def _known(row: StackRow, column: Column, value: Interval) -> str:
    figure = row.figures.get(column.key)
    bounds = "" if value.low is None or value.high is None or value.low == value.high else (
        f"{column.text(value.low)} to {column.text(value.high)}, n = {value.n}; ")  # fmt: skip
    return bounds + (f"measured {figure.measured_at:%Y-%m-%d}{_where(figure)}" if figure else "")


def _where(figure: Figure) -> str:
    """Return the run that a figure is of; of several, how many."""
    return f", over {len(figure.pooled)} runs" if figure.pooled else f" in run {figure.run}"


def _drawn(value: Interval, most: float) -> str:
    """Return the interval's left edge and width and the estimate's place, in per cent of the cell."""
    low, high = value.low or value.estimate, value.high or value.estimate
    left, right, at = (max(0.0, min(100.0, 100 * one / most)) if most else 0.0 for one in (low, high, value.estimate))
    return f"--l:{left:.1f}%;--w:{right - left:.1f}%;--e:{at:.1f}%"


def _drawn_rank(rank: RankRange | None) -> str:
    if rank is None:
        return ""
    return (
        f"--l:{100 * (rank.first - 1) / rank.of:.1f}%;--w:{100 * (rank.last - rank.first + 1) / rank.of:.1f}%;--e:-9px"
    )


def _most(page: Page, column: Column) -> float:
    return max((edge for row in page.rows if (value := row.values.get(column.key)) for edge in
                (value.estimate, value.high or 0.0)), default=0.0)  # fmt: skip


def _sorted(values: Iterable[str]) -> list[str]:
    return sorted(set(values))
