"""Ranks as ranges, and who cannot be told from whom: the one place that reads them from a summary. Pure."""

from dataclasses import dataclass

from common.records.summary import Decision, Pair, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class RankRange:
    """The places that a cell may hold: from 1 + those significantly better to the count - those significantly worse."""

    first: int
    last: int
    of: int
    """How many cells are ranked."""
    not_told_from: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the range as ``2`` or ``2 to 4``."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


def rank_ranges(summary: Summary) -> dict[str, RankRange]:
    """Return the range of each ranked cell, by the cell's name."""
    ranked = [row for row in summary.cells if row.rank is not None]
    return {
        row.cell: RankRange(first=row.rank, last=row.rank_to or row.rank, of=len(ranked), not_told_from=tuple(row.ties))
        for row in ranked
        if row.rank is not None
    }


def decided_pairs(summary: Summary) -> dict[Decision, list[Pair]]:
    """Return the pairs by what was decided of them."""
    return {decision: [pair for pair in summary.pairs if pair.decision is decision] for decision in Decision}
