"""The content of the page, joined from its runs: one row per stack and size. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from msgspec import structs

from common.catalog.prices import Prices
from common.records.figure import Figure, Metric, Subject, figure, subject_of
from common.records.run import Cell
from common.records.summary import CellSummary, Decision, Pair, Summary
from loadtests.analysis.machines import Elsewhere
from loadtests.analysis.verdicts import is_compared
from loadtests.board.columns import BY_KEY, COLUMNS
from loadtests.board.rows import RankRange, Row, board_rows
from loadtests.page.sources import JoinedLoadTest, Sources
from loadtests.statistics.intervals import scaled

AT_SIZES = {column.metric for column in COLUMNS if "vcpu" in column.conditions}
"""The metrics that depend on the vCPUs."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything that a page shows."""

    sources: Sources
    rows: Sequence[Row]
    prices: Prices

    @property
    def test(self) -> JoinedLoadTest | None:
        """The load test whose decisions are shown."""
        return self.sources.ranking

    @cached_property
    def several_sizes(self) -> bool:
        """Whether its rows are of more than one size."""
        return len({row.vcpu for row in self.rows}) > 1

    def label(self, row: Row) -> str:
        """Return a row's name, with its size where the page has several."""
        return f"{row.subject.name}, {row.vcpu:g} vCPU" if self.several_sizes else row.subject.name

    @cached_property
    def elsewhere(self) -> Sequence[Elsewhere]:
        """What other machines say of its stacks."""
        others = Sources(runs=self.sources.elsewhere).load_tests
        return [] if self.test is None else [Elsewhere.of(self.test, other) for other in others]

    @cached_property
    def pairs(self) -> Mapping[frozenset[str], Pair]:
        """The pairs of that load test by their cells; a page may have tens of thousands."""
        return {frozenset((pair.a, pair.b)): pair for pair in (self.test.summary.pairs if self.test else ())}


def make_page(sources: Sources, prices: Prices) -> Page:
    """Return the page of some runs; the ranked stacks come first, the best first."""
    rows = [*_joined(sources, prices)]
    best = _best_servers(rows)
    floors = {_server_key(row): row.id for row in rows if row.floor and "rate" in row.values}
    marked = [
        replace(row, best_server=best[_framework_key(row)] is row, own_floor=floors.get(_server_key(row), ""))
        for row in rows
    ]
    return Page(sources=sources, rows=sorted(marked, key=_order), prices=prices)


def _joined(sources: Sources, prices: Prices) -> Iterator[Row]:
    by_subject: dict[Subject, list[Figure]] = defaultdict(list)
    for found in sources.newest_figures:
        by_subject[found.subject].append(found)
    decisions = _decisions(sources)
    for subject, cell in sources.cells.items():
        known = by_subject[subject]
        for vcpu in _sizes(known, decisions.get(subject)):
            (row,) = board_rows([subject], known, prices, vcpu=vcpu)
            decided = decisions.get(subject)
            if known or decided:
                yield _row(row, cell, decided if decided and decided.vcpu == vcpu else None)


def _sizes(known: Sequence[Figure], decided: "_Decided | None") -> list[float]:
    """Return the vCPUs that the stack was measured at; 1 where its figures do not depend on them."""
    sizes = {
        figure.conditions.vcpu for figure in known if figure.conditions.vcpu is not None and figure.metric in AT_SIZES
    }
    return sorted(sizes | ({decided.vcpu} if decided else set())) or [1.0]


@dataclass(frozen=True, kw_only=True)
class _Decided:
    """A stack's results in one load test."""

    cell: str
    vcpu: float
    row: CellSummary
    rate: Figure | None
    """``None`` where it is not of the scenario that the page's rates are of."""
    rank: RankRange | None
    place: int | None


def _decisions(sources: Sources) -> dict[Subject, _Decided]:
    """Return what the newest load test of each stack says of it; the one that ranks comes before all others.

    Load tests of other scenarios are left out.
    """
    ranking = sources.ranking
    tests = [test for test in sources.load_tests if ranking is not None and test.scenario == ranking.scenario]
    tests.sort(key=lambda test: (test is ranking, test.newest_at))
    return {subject: decided for test in tests for subject, decided in _decided_by(test, ranks=test is ranking)}


def _decided_by(test: JoinedLoadTest, *, ranks: bool) -> Iterator[tuple[Subject, _Decided]]:
    rows, ranges = {row.cell: row for row in test.summary.cells}, rank_ranges(test) if ranks else {}
    compared = [row.cell for row in test.summary.cells if is_compared(row)] if ranks else []
    places = {name: place for place, name in enumerate(compared, 1)}
    for cell in test.run.cells:
        if cell.control_of is None and cell.name in rows:
            yield (
                subject_of(test.run, cell),
                _Decided(
                    cell=cell.name if ranks else "",
                    vcpu=test.run.setup.size.vcpu,
                    row=rows[cell.name],
                    rate=_rate_in(test, cell, rows[cell.name]),
                    rank=ranges.get(cell.name),
                    place=places.get(cell.name),
                ),
            )


def _rate_in(test: JoinedLoadTest, cell: Cell, row: CellSummary) -> Figure | None:
    if not test.gives_rates or row.requests_per_cpu_s is None:
        return None
    found = figure(test.run, cell, Metric.REQUESTS_PER_CPU_S, row.requests_per_cpu_s, row.verdict)
    found = structs.replace(found, error=row.error, between_runs=test.summary.between_runs)
    return found if len(test.ids) == 1 else structs.replace(found, pooled=list(test.ids))


def _row(row: Row, cell: Cell, decided: _Decided | None) -> Row:
    found = replace(
        row,
        title=cell.title,
        version=cell.version,
        interface=cell.interface,
        keep_alive=cell.keep_alive,
        floor=cell.is_floor,
    )
    if decided is None:
        return found
    found = replace(
        found,
        cell=decided.cell,
        rank=decided.rank,
        place=decided.place,
        verdict=decided.row.verdict,
        doubts=decided.row.doubts,
        seen=decided.rate,
    )
    return found if found.tested is None else _with_own(found, found.tested, decided.row)


def _with_own(row: Row, tested: Figure, summary: CellSummary) -> Row:
    """Return a row with the cost over the floor and the 99th percentile in a closed loop, which no store has."""
    own = {"over": summary.over_floor_s, "busy": summary.p99_s}
    values = {key: scaled(value, BY_KEY[key].scale) for key, value in own.items() if value is not None}
    return replace(row, values={**row.values, **values}, figures={**row.figures, **dict.fromkeys(own, tested)})


def _framework_key(row: Row) -> tuple[object, ...]:
    subject = row.subject
    return subject.framework, subject.image, subject.runtime, subject.python, row.vcpu


def _server_key(row: Row) -> tuple[object, ...]:
    subject = row.subject
    return subject.server, subject.image, subject.runtime, subject.python, row.vcpu


def _best_servers(rows: Sequence[Row]) -> dict[tuple[object, ...], Row]:
    best: dict[tuple[object, ...], Row] = {}
    for row in rows:
        other = best.setdefault(_framework_key(row), row)
        if _rate(row) > _rate(other):
            best[_framework_key(row)] = row
    return best


def _rate(row: Row) -> float:
    return row.values["rate"].estimate if "rate" in row.values else 0.0


def _order(row: Row) -> tuple[bool, int, float, str]:
    return row.place is None, row.place or 0, -_rate(row), row.id


def rank_ranges(test: JoinedLoadTest) -> dict[str, RankRange]:
    """Return the range of each ranked framework among the others, by its cell's name."""
    return {
        row.cell: RankRange(first=row.rank, last=row.rank_to or row.rank, of=test.ranked, ties=tuple(row.ties))
        for row in test.summary.cells
        if row.rank is not None
    }


def decided_pairs(summary: Summary) -> dict[Decision, list[Pair]]:
    """Return the pairs by what was decided of them."""
    return {decision: [pair for pair in summary.pairs if pair.decision is decision] for decision in Decision}
