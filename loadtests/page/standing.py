"""Where one stack stands: its figures, the stacks next to it, and its rate in each run of the page. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common.records.figure import Metric
from common.records.summary import Decision, Interval, Pair
from loadtests.analysis.comparison import better_of
from loadtests.analysis.formatting import MISSING, with_bounds
from loadtests.analysis.machines import holding
from loadtests.board.bill import SCENARIO
from loadtests.board.columns import BY_KEY, COLUMNS, value_texts
from loadtests.board.rows import Row
from loadtests.page.model import Page
from loadtests.page.sources import JoinedLoadTest

NEAREST = 2
"""The most stacks before it, and after it, that a stack is compared with."""


@dataclass(frozen=True, kw_only=True)
class FigureLine:
    """One figure of a stack."""

    heading: str
    estimate: str
    interval: str
    windows: str
    """The number of values that the interval is of."""
    measured: str


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A stack that stands next to another in the table."""

    row: Row
    ratio: str
    """Its requests per vCPU divided by those of the stack, with the interval of the rounds that both have."""
    decision: str


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """A stack's rate in one run."""

    measured: str
    run: str
    rate: str
    verdict: str


def figure_lines(row: Row) -> list[FigureLine]:
    """Return everything that is known of a stack at one size."""
    return [
        _line(row, key, *value_texts(row.values[key], BY_KEY[key]))
        for key in (column.key for column in COLUMNS)
        if key in row.values
    ]


def _line(row: Row, key: str, estimate: str, interval: str) -> FigureLine:
    figure, value, column = row.figures.get(key), row.values[key], BY_KEY[key]
    return FigureLine(
        heading=column.heading,
        estimate=estimate,
        interval=interval if value.low != value.high else MISSING,
        windows=f"{value.n}",
        measured=f"{figure.measured_at:%Y-%m-%d}" if figure else MISSING,
    )


def rank_sentence(page: Page, row: Row) -> str:
    """Return a stack's rank among the frameworks, or why it has none."""
    under = page.test.under if page.test else ""
    if row.rank is not None:
        return f"Rank{under}: {row.rank.text} of {row.rank.of} frameworks."
    if row.floor:
        return "A floor: the server without a framework. Floors have no rank."
    return (
        f"Not ranked: {' '.join(row.doubts.values())}" if row.doubts else "Not ranked: the load test does not hold it."
    )


def neighbours(page: Page, row: Row) -> list[Neighbour]:
    """Return the stacks that stand before and after one in the table, each compared with it within rounds."""
    if page.test is None or not row.cell:
        return []
    ranked = [other for other in page.rows if other.place is not None]
    if row not in ranked:
        return []
    at = ranked.index(row)
    near = [*ranked[max(0, at - NEAREST) : at], *ranked[at + 1 : at + 1 + NEAREST]]
    found = ((other, page.pairs.get(frozenset((other.cell, row.cell)))) for other in near)
    return [_neighbour(other, pair, page, page.test) for other, pair in found if pair is not None]


def _neighbour(other: Row, pair: Pair, page: Page, test: JoinedLoadTest) -> Neighbour:
    said = (_decision(pair, other.cell, test), holding(pair, page.elsewhere))
    return Neighbour(row=other, ratio=_ratio(pair, other.cell), decision="; ".join(filter(None, said)))


def _ratio(pair: Pair, of: str) -> str:
    if pair.ratio is None:
        return MISSING
    ratio: Interval = pair.ratio if of == pair.a else pair.ratio.inverse()
    return with_bounds(ratio, digits=3)


def _decision(pair: Pair, of: str, test: JoinedLoadTest) -> str:
    match pair.decision:
        case Decision.DIFFERENT:
            return "carries more" if better_of(pair) == of else "carries less"
        case Decision.EQUIVALENT:
            return f"equivalent within {test.run.stopping.margin:.0%}"
        case Decision.UNDECIDED:
            return "undecided, which is not the same as equal"


def history(page: Page, rows: Sequence[Row]) -> list[Occasion]:
    """Return a stack's rate in each run of the page, the newest first."""
    return sorted(_occasions(page, rows), key=lambda occasion: occasion.measured, reverse=True)


def _occasions(page: Page, rows: Sequence[Row]) -> Iterator[Occasion]:
    subject = rows[0].subject
    for figure in (figure for source in page.sources.runs for figure in source.figures):
        said = figure.conditions
        rate = figure.metric is Metric.REQUESTS_PER_CPU_S and said.scenario == SCENARIO and not said.load_share
        if rate and figure.subject == subject:
            at = f", {said.vcpu:g} vCPU" if page.several_sizes and said.vcpu else ""
            yield Occasion(
                measured=f"{figure.measured_at:%Y-%m-%d %H:%M}",
                run=figure.run + at,
                rate=with_bounds(figure.value),
                verdict=str(figure.verdict),
            )
