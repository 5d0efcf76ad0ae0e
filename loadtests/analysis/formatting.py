"""The formats of tables and figures that all reports share."""

from collections.abc import Callable, Collection, Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from common.catalog.pythons import python_series
from common.records.figure import Figure
from common.records.run import Cell
from common.records.summary import Interval
from common.words import counted
from loadtests.analysis.thresholds import MOST_ATTEMPTS

MISSING = "-"
MB = 1024**2
BYTES_PER_MB = 1e6
MS_PER_S, US_PER_S = 1e3, 1e6


def plain_table(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[str | Text]], *, left: Collection[str] = ()
) -> Table:
    """Return a table whose columns are set right but those in ``left``, for a console that does not read markup."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", no_wrap=heading not in left)
    for row in rows:
        table.add_row(*row)
    return table


def estimate(interval: Interval | None, *, scale: float = 1.0, digits: int = 0, sign: str = "") -> str:
    """Return an interval's estimate; ``sign="+"`` marks positive ones too."""
    return MISSING if interval is None else f"{interval.estimate * scale:{sign},.{digits}f}"


def bounds(interval: Interval | None, *, scale: float = 1.0, digits: int = 0, sign: str = "") -> str:
    """Return an interval's bounds as ``low to high``."""
    return limits(interval, lambda value: f"{value * scale:{sign},.{digits}f}")


def limits(interval: Interval | None, show: Callable[[float], str]) -> str:
    """Return an interval's bounds as ``low to high``, each as ``show`` writes it."""
    if interval is None or interval.low is None or interval.high is None:
        return MISSING
    return f"{show(interval.low)} to {show(interval.high)}"


def with_bounds(interval: Interval | None, *, scale: float = 1.0, digits: int = 0, sign: str = "") -> str:
    """Return an estimate with its bounds in brackets, where it has them."""
    text, between = (form(interval, scale=scale, digits=digits, sign=sign) for form in (estimate, bounds))
    return text if between == MISSING else f"{text} ({between})"


def number(value: float | None, *, scale: float = 1.0, digits: int = 0) -> str:
    """Return a number without an interval."""
    return MISSING if value is None else f"{value * scale:,.{digits}f}"


def share(value: float | None) -> str:
    """Return a share as per cent."""
    return MISSING if value is None else f"{value:.0%}"


def over_what(figures: Iterable[Figure]) -> str:
    """Return what the intervals of rates are over: fresh servers of single runs, or runs that repeat each other."""
    counts = sorted({len(figure.pooled) or 1 for figure in figures})
    servers = "over the fresh servers of a run"
    if counts in ([], [1]):
        return servers
    runs = f"over {' or '.join(f'{count}' for count in counts if count > 1)} runs"
    return runs if counts[0] > 1 else f"{runs}; of a stack measured in one run, {servers}"


def discarded_notes(discarded: int) -> list[str]:
    """Return a sentence where windows were discarded and made again."""
    if not discarded:
        return []
    seen = f"discarded: {counted(discarded, 'window')}, made again because something kept the generator from its core"
    return [f"{seen}; each is made {MOST_ATTEMPTS} times at most, and the last one counts."]


def stand_in_notes(cells: Iterable[Cell]) -> list[str]:
    """Return a sentence where images are built on stand-in bases, and one for each Python that was compiled here."""
    built = [cell for cell in cells if cell.stand_in_base]
    if not built:
        return []
    compiled = {python_series(cell.python): cell.base_configured for cell in built if cell.base_configured is not None}
    return [
        "stand-in base: images are built on locally made base images, not on the official ones.",
        *(
            f"Python {python} was compiled here, with {options} and nothing else."
            for python, options in compiled.items()
        ),
    ]
