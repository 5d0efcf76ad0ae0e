"""The page's one table: the text and the bar of each cell, the bands of tied rows, and what its script needs. Pure."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from common.records.figure import Figure
from common.records.summary import Decision, Interval
from loadtests.analysis.formatting import MISSING
from loadtests.board.columns import COLUMNS, Column, value_texts
from loadtests.board.rows import Row
from loadtests.page.charts import Scale, cell_bar
from loadtests.page.model import Page

SKEWED = 10
"""A column is drawn on a logarithmic scale if more than half of its bars would be shorter than one part in this."""
OWN_FLOOR = "own-floor"
"""What ratios are taken to in the page's address, where each is to the floor of its own server."""


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """One figure in the table."""

    column: Column
    value: str
    """The estimate, for sorting; empty where nothing is known."""
    text: str
    title: str
    """Its interval, date and run, or what would measure it."""
    drawn: Markup
    """A bar with its interval; empty where nothing is known."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A filter with the values that it offers."""

    key: str
    label: str
    values: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Table:
    """The rows of a page, with the columns that have a value."""

    page: Page
    scales: Mapping[Column, Scale | None]
    """The columns with the scales of their bars."""
    bands: Mapping[str, str]
    """Places in bands of rows that are tied with each other, by row: ``first``, ``within`` or ``last``."""

    def cells(self, row: Row) -> list[TableCell]:
        """Return the figures of a row, one for each column."""
        return [_cell(self.page, row, column, scale) for column, scale in self.scales.items()]

    def names(self, row: Row) -> str:
        """Return everything about a row that the filter looks for, in lower case."""
        names = (row.subject.name, row.title, row.version, row.interface, row.subject.runtime)
        return " ".join(filter(None, names)).casefold()


def make_table(page: Page) -> Table:
    """Return the table of a page."""
    scales = {column: column_scale(page, column) for column in known_columns(page)}
    return Table(page=page, scales=scales, bands=_bands(page.rows))


def known_columns(page: Page) -> list[Column]:
    """Return the columns that have a value; others would be all dashes."""
    known = {key for row in page.rows for key in row.values}
    known |= {"rate"} if any(row.doubtful_rate for row in page.rows) else set()
    return [column for column in COLUMNS if column.key in known]


def column_scale(page: Page, column: Column) -> Scale | None:
    """Return the scale of a column's bars, from 0 to 100; ``None`` where nothing is known.

    It begins at zero, or where the column is skewed, at half of the smallest value, and is logarithmic.
    """
    known = [value for row in page.rows if (value := row.values.get(column.key)) is not None]
    estimates, edges = (
        [value.estimate for value in known],
        [edge for value in known for edge in (value.estimate, value.high or 0)],
    )
    if not known or max(edges) <= 0:
        return None
    log = min(estimates) > 0 and max(estimates) > SKEWED * statistics.median(estimates)
    return Scale(low=min(estimates) / 2 if log else 0, high=max(edges), start=0, end=100, log=log)


def _bands(rows: Sequence[Row]) -> dict[str, str]:
    """Return the places of rows in bands of ranks that overlap, by the rows' ids; floors stand in no band."""
    bands: list[list[Row]] = []
    last = 0
    for row in (row for row in rows if row.rank):
        assert row.rank is not None
        if bands and row.rank.first <= last:
            bands[-1].append(row)
        else:
            bands.append([row])
        last = max(last, row.rank.last)
    several = [band for band in bands if len(band) > 1]
    return {
        row.id: "first" if row is band[0] else "last" if row is band[-1] else "within"
        for band in several
        for row in band
    }


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
    return [choice for choice in every if len(choice.values) > 1]


def connections(row: Row) -> str:
    """Return what a server does with a connection after a response."""
    return "keep-alive" if row.keep_alive else "closing"


def verdict(row: Row) -> str:
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
        "ownFloor": OWN_FLOOR,
        "shown": [column.key for column in known_columns(page) if column.shown],
        "more": [column.key for column in COLUMNS if column.more_is_better],
        "pairs": pairs,
    }
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _rounded(ratio: Interval) -> list[float | None]:
    return [None if number is None else round(number, 4) for number in (ratio.estimate, ratio.low, ratio.high)]


def _cell(page: Page, row: Row, column: Column, scale: Scale | None) -> TableCell:
    value = row.values.get(column.key)
    if value is None:
        text, title = _doubtful(row, column), _missing(page, row, column)
        return TableCell(column=column, value="", text=text, title=title, drawn=Markup())
    return TableCell(
        column=column,
        value=f"{value.estimate:.6g}",
        text=column.text(value.estimate),
        title=_known(row, column, value),
        drawn=cell_bar(value, scale) if scale else Markup(),
    )


def _doubtful(row: Row, column: Column) -> str:
    """Return a figure that is not valid in brackets: it is not sorted, drawn or compared."""
    if column.key != "rate" or row.doubtful_rate is None:
        return MISSING
    return f"({column.text(row.doubtful_rate.estimate)})"


def _missing(page: Page, row: Row, column: Column) -> str:
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


def _known(row: Row, column: Column, value: Interval) -> str:
    figure = row.figures.get(column.key)
    _, bounds = value_texts(value, column)
    known = "" if bounds == MISSING or value.low == value.high else f"{bounds}, n = {value.n}; "
    return known + (f"measured {figure.measured_at:%Y-%m-%d}{_where(figure)}" if figure else "")


def _where(figure: Figure) -> str:
    """Return the run that a figure is of; of several, how many."""
    return f", over {len(figure.pooled)} runs" if figure.pooled else f" in run {figure.run}"


def _sorted(values: Iterable[str]) -> list[str]:
    return sorted(set(values))
