"""The conclusion of a comparison, for programs that act on it: a word, numbers, and a plot of characters. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated

from msgspec import Struct
from msgspec.structs import replace

from common.records.run import CompareRun
from common.records.schema import says
from common.records.summary import Decision, Interval, Pair
from common.records.window import Window
from loadtests.analysis import outcome
from loadtests.analysis.limits import speed
from loadtests.analysis.values import by_cell, values_of

WIDTH = 61
"""The width of a plot in characters."""
DENSE = ".:#"
"""The marks of a round, of two and of more at one place."""


class Word(StrEnum):
    """The conclusion in one word, the worst first."""

    BROKEN = "broken"
    SLOWER = "slower"
    UNDECIDED = "undecided"
    NOT_SLOWER = "not-slower"
    EQUIVALENT = "equivalent"
    FASTER = "faster"


class Conclusion(Struct, frozen=True, kw_only=True):
    """What a comparison says of B: by its worst pair if there are several."""

    verdict: Annotated[
        Word, says("slower: by more than the limit, if there is one; broken: nothing can be said, for the sentence.")
    ]
    sentences: list[str]
    ratio: Annotated[float | None, says("Requests per CPU-second of B over those of A; 0.95 is 5 % less.")] = None
    low: Annotated[float | None, says("Lower bound of the ratio, of the interval that decides.")] = None
    high: Annotated[float | None, says("Upper bound of the ratio.")] = None
    limit: Annotated[float | None, says("FAIL_IF_SLOWER= as a share.")] = None
    pairs: list[Pair] = []

    @classmethod
    def of(cls, pairs: Sequence[Pair], margin: float) -> "Conclusion":
        """Return the conclusion from at least one pair."""
        worst = min(pairs, key=lambda pair: (list(Word).index(word_of(pair)), _estimate(pair)))
        change = change_of(worst)
        return cls(
            verdict=word_of(worst),
            sentences=[sentence for pair in pairs for sentence in outcome.sentences(pair, margin)],
            ratio=None if change is None else 1 + change.estimate,
            low=None if change is None or change.low is None else 1 + change.low,
            high=None if change is None or change.high is None else 1 + change.high,
            limit=None if worst.against_limit is None else worst.against_limit.limit,
            pairs=list(pairs),
        )

    @classmethod
    def broken(cls, reason: str) -> "Conclusion":
        """Return the conclusion where nothing was decided."""
        return cls(verdict=Word.BROKEN, sentences=[reason])

    def but_broken(self, reason: str) -> "Conclusion":
        """Return it without what its numbers would say, since they are not valid."""
        return replace(self, verdict=Word.BROKEN, sentences=[reason, *self.sentences])

    def variables(self) -> str:
        """Return lines of ``name=value``, as pipelines read them; a value that is unknown is empty."""
        numbers = {name: getattr(self, name) for name in ("ratio", "low", "high")}
        lines = [f"{name}={'' if value is None else f'{value:.4f}'}\n" for name, value in numbers.items()]
        return f"verdict={self.verdict}\n{''.join(lines)}"


def word_of(pair: Pair) -> Word:
    """Return what was decided about a pair: about the limit, if there is one."""
    if pair.against_limit is not None:
        return Word(pair.against_limit.decision)
    match pair.decision:
        case Decision.DIFFERENT:
            return Word.FASTER if _estimate(pair) > 0 else Word.SLOWER
        case Decision.EQUIVALENT:
            return Word.EQUIVALENT
        case Decision.UNDECIDED:
            return Word.UNDECIDED


def change_of(pair: Pair) -> Interval | None:
    """Return how much more ``b`` serves than ``a``, with the bounds that decide; ``None`` without a common round."""
    if pair.against_limit is not None:
        return pair.against_limit.change
    return None if pair.ratio is None else speed(pair.ratio)


def _estimate(pair: Pair) -> float:
    change = change_of(pair)
    return 0.0 if change is None else change.estimate


def plots(run: CompareRun, windows: Iterable[Window], pairs: Iterable[Pair]) -> list[str]:
    """Return a plot of each pair that has an interval."""
    values = values_of(run.cells, by_cell(windows))
    return [
        plot(change, changes_by_round(values[pair.a], values[pair.b]), run.fail_if_slower)
        for pair in pairs
        if (change := change_of(pair)) is not None
    ]


def changes_by_round(a: Mapping[int, float], b: Mapping[int, float]) -> list[float]:
    """Return how much more ``b`` served than ``a`` in each round that both have."""
    return [b[number] / a[number] - 1 for number in sorted(a.keys() & b.keys())]


def plot(change: Interval, rounds: Sequence[float], limit: float | None) -> str:
    """Return rounds, the interval, and both zero and the limit, above a scale that holds them all."""
    low, high = _bounds(change)
    marks = [0.0, *([] if limit is None else [-limit])]
    left, right = min(low, *rounds, *marks), max(high, *rounds, *marks)
    scale = _Scale(left, right)
    interval = scale.line(dict.fromkeys(range(scale.column(low), scale.column(high) + 1), "-"))
    for value, mark in ((low, "["), (high, "]"), (change.estimate, "o")):
        interval = _with(interval, scale.column(value), mark)
    counts: dict[int, int] = {}
    for value in rounds:
        counts[scale.column(value)] = counts.get(scale.column(value), 0) + 1
    dots = scale.line({place: DENSE[min(count, len(DENSE)) - 1] for place, count in counts.items()})
    named = scale.line({scale.column(0.0): "0"})
    if limit is not None and scale.column(-limit) != scale.column(0.0):
        named = _with(named, scale.column(-limit), "L")
    ends = f"{left:+.1%}".ljust(WIDTH - 7) + f"{right:+.1%}".rjust(7)
    meaning = "0: as fast as A" + ("" if limit is None else f"; L: the limit, {limit:.1%} slower")
    lines = (f"{dots}  rounds", f"{interval}  interval", f"{named}  {meaning}", ends)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _bounds(change: Interval) -> tuple[float, float]:
    return (
        change.estimate if change.low is None else change.low,
        change.estimate if change.high is None else change.high,
    )


class _Scale:
    """Columns from the left to the right value."""

    def __init__(self, left: float, right: float) -> None:
        self.left, self.span = left, (right - left) or 1.0

    def column(self, value: float) -> int:
        """Return the column of a value."""
        return round((value - self.left) / self.span * (WIDTH - 1))

    def line(self, marks: Mapping[int, str]) -> str:
        """Return a line with a mark in each of these columns."""
        return "".join(marks.get(column, " ") for column in range(WIDTH))


def _with(line: str, column: int, mark: str) -> str:
    return line[:column] + mark + line[column + 1 :]
