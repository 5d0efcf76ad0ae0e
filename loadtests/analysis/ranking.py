"""Ranks and ties from decisions about pairs: pure."""

from collections.abc import Iterable

from common.records.summary import Decision, Pair


def ranks_of(cells: Iterable[str], pairs: Iterable[Pair]) -> dict[str, int]:
    """1 + the number of cells that are significantly better (of a higher value)."""
    ranks = dict.fromkeys(cells, 1)
    for pair in pairs:
        if better := better_of(pair):
            ranks[pair.b if better == pair.a else pair.a] += 1
    return ranks


def ties(cells: Iterable[str], pairs: Iterable[Pair]) -> dict[str, list[str]]:
    """For each cell those that are not told from it, whether undecided or equivalent.

    Ties do not carry over: a may tie with b and b with c where a and c differ.
    """
    found: dict[str, list[str]] = {cell: [] for cell in cells}
    for pair in pairs:
        if pair.decision is not Decision.DIFFERENT:
            found[pair.a].append(pair.b)
            found[pair.b].append(pair.a)
    return found


def better_of(pair: Pair) -> str:
    """The name of the pair's cell that is significantly better; empty where neither is."""
    if pair.decision is not Decision.DIFFERENT or pair.ratio is None:
        return ""
    return pair.a if pair.ratio.estimate > 1 else pair.b
