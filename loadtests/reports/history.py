"""The comparison of a framework's versions: each against the newest, and the releases that changed the speed. Pure."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from rich.table import Table

from common.records.summary import Decision, Pair
from loadtests.analysis import outcome
from loadtests.reports.formatting import MISSING, plain_table

HEADINGS = ("version", "speed of the newest = 100 %", "95 % interval", "against the newest")


def table(title: str, versions: Sequence[str], cells: Sequence[str], pairs: Sequence[Pair]) -> Table:
    """Return a row per version, the oldest first; ``cells`` are the names of their cells in the same order."""
    *older, newest = zip(versions, cells, strict=True)
    rows = [_row(version, outcome.between(pairs, newest[1], cell)) for version, cell in older]
    return plain_table(title, HEADINGS, [*rows, (newest[0], "100.0%", MISSING, MISSING)], left={"version"})


def sentences(cells: Sequence[str], pairs: Sequence[Pair], margin: float) -> Iterator[str]:
    """Yield the outcome for each version against the one before it, then the releases at which the speed changed."""
    steps = [(after, outcome.between(pairs, before, after)) for before, after in pairwise(cells)]
    for after, pair in steps:
        yield (
            f"{after} was not compared with the version before it." if pair is None else outcome.sentence(pair, margin)
        )
    changed = [after for after, pair in steps if pair is not None and pair.decision is Decision.DIFFERENT]
    yield f"the speed changed at {', '.join(changed)}." if changed else "no release changed the speed measurably."


def _row(version: str, pair: Pair | None) -> tuple[str, ...]:
    if pair is None or pair.ratio is None:
        return version, MISSING, MISSING, "not compared"
    speed = outcome.speed(pair.ratio)
    bounds = MISSING if speed.low is None or speed.high is None else f"{1 + speed.low:.1%} to {1 + speed.high:.1%}"
    return version, f"{1 + speed.estimate:.1%}", bounds, pair.decision
