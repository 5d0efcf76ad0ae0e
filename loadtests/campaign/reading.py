"""Visits as they are read back: each of this run, each planned, each once.

A line that was copied into the file would count as another round otherwise, and a window of another run as one of this.
"""

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
"""What decoding a damaged record raises."""
MISFITS = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
"""What computing with records raises that are valid one by one and do not fit together."""


@contextmanager
def misfits_named(folder: Path) -> Iterator[None]:
    """Have records of ``folder`` that do not fit together end in a ``UsageError`` that names it.

    For computing with what was read back and may have been edited since; in a run under way, the same errors are ours.
    """
    try:
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            yield
    except MISFITS as error:
        raise UsageError(f"{folder} holds records that do not fit together: {error!r}.") from error


def visits_of(run: Run, lines: Iterable[tuple[Path, int, bytes]]) -> Iterator[Visit]:
    """Yield the visits in lines that come with their file and number; ``UsageError`` names the first that is wrong."""
    cells, made = _planned_cells(run), set[tuple[type[Visit], int, str]]()
    for file, number, line in lines:
        try:
            visit = decode_visit(line)
        except UNREADABLE as error:
            raise UsageError(f"{file}, line {number}, holds no visit of schema version 3: {error}.") from error
        key = (type(visit), visit.round, visit.cell)
        if problem := _problem(run, visit, planned=visit.cell in cells, again=key in made):
            raise UsageError(f"{file}, line {number}, {problem}. Remove that line to read the run.")
        made.add(key)
        yield visit


def _problem(run: Run, visit: Visit, *, planned: bool, again: bool) -> str:
    """Return what is wrong with a visit; empty where nothing is."""
    if visit.run != run.id:
        return f"holds a visit of the run {visit.run or '(empty)'}, not of {run.id}"
    if not planned or not 1 <= visit.round <= run.rounds:
        return f"holds a visit to {visit.cell or '(empty)'} in round {visit.round}, which the run does not plan"
    return f"holds the visit to {visit.cell or '(empty)'} in round {visit.round} a second time" if again else ""


def _planned_cells(run: Run) -> frozenset[str]:
    """Return the names that the plan of a run visits; the canary's is empty."""
    lists = (getattr(run, field, []) for field in ("cells", "points", "pulls"))
    return frozenset({one.name for found in lists for one in found} | {getattr(run, "url", ""), ""})
