"""Reading visits back: each must belong to this run, be planned by it, and occur no more often than planned.

Otherwise a line copied within the file would count as another round, and a window of another run as this one's.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from common.errors import UsageError
from common.records.files import decode_visit
from common.records.run import Run
from common.records.visit import Visit

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The errors raised while a damaged record is decoded."""
MISFITS = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
"""The errors raised while computing with records that are valid one by one but inconsistent."""


@contextmanager
def misfits_named(folder: Path) -> Iterator[None]:
    """Turn the errors of computing with inconsistent records of ``folder`` into a ``UsageError`` that names it.

    For records that were read back and may have been edited since; in a run in progress, such errors are bugs of ours.
    """
    try:
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            yield
    except MISFITS as error:
        raise UsageError(f"{folder} holds inconsistent records ({type(error).__name__}: {error}).") from error


def visits_of(run: Run, lines: Iterable[tuple[Path, int, bytes]]) -> Iterator[Visit]:
    """Yield the visits in lines that come with their file and number; ``UsageError`` names the first that is wrong."""
    cells, made = _planned_cells(run), Counter[tuple[type[Visit], int, str]]()
    turns: int = getattr(run, "turns", 1)
    for file, number, line in lines:
        try:
            visit = decode_visit(line)
        except UNREADABLE as error:
            raise UsageError(f"{file}, line {number}, is not a visit of schema version 3: {error}.") from error
        key = (type(visit), visit.round, visit.cell)
        if problem := _problem(run, visit, planned=visit.cell in cells, again=made[key] >= turns):
            raise UsageError(f"{file}, line {number}, {problem}. Remove that line to read the run.")
        made[key] += 1
        yield visit


def _problem(run: Run, visit: Visit, *, planned: bool, again: bool) -> str:
    """Return what is wrong with a visit; empty where nothing is."""
    if visit.run != run.id:
        return f"holds a visit of the run {visit.run or '(empty)'}, not of {run.id}"
    if not planned or not 1 <= visit.round <= run.rounds:
        return f"holds a visit to {visit.cell or '(empty)'} in round {visit.round}, which the run does not plan"
    return f"holds the visit to {visit.cell or '(empty)'} in round {visit.round} once too often" if again else ""


def _planned_cells(run: Run) -> frozenset[str]:
    """Return the names that the plan of a run visits; the canary's is empty."""
    lists = (getattr(run, field, []) for field in ("cells", "points", "pulls"))
    return frozenset({one.name for found in lists for one in found} | {getattr(run, "url", ""), ""})
