"""The comparison of a framework's versions: each against the newest, and the releases that changed the speed. Pure."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from rich.table import Table

from common.records.run import HistoryRun
from common.records.summary import Decision, Pair
from loadtests.analysis import outcome
from loadtests.analysis.formatting import MISSING, limits, plain_table
from loadtests.analysis.limits import speed

HEADINGS = ("version", "speed of the newest = 100 %", "95 % interval", "against the newest")


def table(run: HistoryRun, pairs: Sequence[Pair]) -> Table:
    """Return a row per version, the oldest first."""
    *older, (newest, newest_version) = run.versions.items()
    rows = [_row(version, outcome.between(pairs, newest, cell)) for cell, version in older]
    rows.append((newest_version, "100.0%", MISSING, MISSING))
    return plain_table(f"history of {run.title}", HEADINGS, rows, left={"version"})


def sentences(run: HistoryRun, pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield the outcome for each version against the one before it, then the releases at which the speed changed."""
    steps = [(after, outcome.between(pairs, before, after)) for before, after in pairwise(run.versions)]
    for after, pair in steps:
        yield (
            f"{after} was not compared with the version before it."
            if pair is None
            else outcome.sentence(pair, run.stopping.margin)
        )
    compared = {after: pair.decision for after, pair in steps if pair is not None}
    if changed := [after for after, decision in compared.items() if decision is Decision.DIFFERENT]:
        yield f"the speed changed at {', '.join(changed)}."
    elif compared:
        which = "no release" if len(compared) == len(steps) else "no release that was compared"
        yield f"{which} changed the speed measurably."


def _row(version: str, pair: Pair | None) -> tuple[str, ...]:
    if pair is None or pair.ratio is None:
        return version, MISSING, MISSING, "not compared"
    change = speed(pair.ratio)
    return version, _relative(change.estimate), limits(change, _relative), pair.decision


def _relative(speed: float) -> str:
    return f"{1 + speed:.1%}"
