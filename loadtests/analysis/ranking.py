"""Ranks and ties from decisions about pairs. Pure."""

from collections.abc import Iterable

from common.records.summary import Decision, Pair


def rank_ranges(cells: Iterable[str], pairs: Iterable[Pair]) -> dict[str, tuple[int, int]]:
    """Return, for each cell, the first and the last rank that it may have.

    The first is 1 + the number of cells that are significantly better (of a higher value), the last is the number of
    cells less those that are significantly worse.
    """
    names = list(cells)
    better, worse = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for pair in pairs:
        if winner := better_of(pair):
            better[pair.b if winner == pair.a else pair.a] += 1
            worse[winner] += 1
    return {name: (1 + better[name], len(names) - worse[name]) for name in names}


def ties(cells: Iterable[str], pairs: Iterable[Pair]) -> dict[str, list[str]]:
    """Return, for each cell, the cells that are not significantly different from it.

    Ties do not carry over: a may tie with b and b with c where a and c differ.
    """
    tied: dict[str, list[str]] = {cell: [] for cell in cells}
    for pair in pairs:
        if pair.decision is not Decision.DIFFERENT:
            tied[pair.a].append(pair.b)
            tied[pair.b].append(pair.a)
    return tied


def better_of(pair: Pair) -> str:
    """Return the name of the cell that is significantly better; empty if neither is."""
    if pair.decision is not Decision.DIFFERENT or pair.ratio is None:
        return ""
    return pair.a if pair.ratio.estimate > 1 else pair.b
