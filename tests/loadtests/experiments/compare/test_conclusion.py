"""A comparison's conclusion is one word, numbers that belong to it, and a plot that fits a comment."""

import pytest

from common.records.summary import Decision, Interval, Pair
from loadtests.analysis.limits import held_against
from loadtests.experiments.compare.conclusion import WIDTH, Conclusion, Word, changes_by_round, plot

MARGIN = 0.05


def _pair(
    change: float,
    half: float = 0.01,
    *,
    limit: float | None = None,
    b: str = "b",
    decision: Decision = Decision.UNDECIDED,
) -> Pair:
    ratio = Interval(estimate=1 / (1 + change), low=1 / (1 + change + half), high=1 / (1 + change - half), n=5)
    against = None if limit is None else held_against(limit, ratio)
    return Pair(a="a", b=b, ratio=ratio, p_value=0.0, against_limit=against, decision=decision)


@pytest.mark.parametrize(
    ("pair", "word"),
    [
        (_pair(-0.10, limit=0.03), Word.SLOWER),
        (_pair(0.0, limit=0.03), Word.NOT_SLOWER),
        (_pair(-0.03, limit=0.03, decision=Decision.DIFFERENT), Word.UNDECIDED),
        (_pair(-0.10, decision=Decision.DIFFERENT), Word.SLOWER),
        (_pair(0.10, decision=Decision.DIFFERENT), Word.FASTER),
        (_pair(0.0, decision=Decision.EQUIVALENT), Word.EQUIVALENT),
        (_pair(0.0), Word.UNDECIDED),
    ],
)
def test_a_limit_decides_the_word_where_there_is_one(pair: Pair, word: Word) -> None:
    assert Conclusion.of([pair], MARGIN).verdict is word


def test_the_ratio_is_that_of_b_over_a_with_its_bounds_in_order() -> None:
    found = Conclusion.of([_pair(-0.10, limit=0.03)], MARGIN)
    assert found.variables() == "verdict=slower\nratio=0.9000\nlow=0.8900\nhigh=0.9100\n"
    assert found.limit == 0.03


def test_several_pairs_are_as_bad_as_their_worst_and_each_is_spoken_of() -> None:
    pairs = [_pair(0.0, limit=0.03), _pair(-0.1, limit=0.03, b="c"), _pair(-0.2, limit=0.03, b="d")]
    found = Conclusion.of(pairs, MARGIN)
    assert (found.verdict, round(found.ratio or 0, 3)) == (Word.SLOWER, 0.8)
    assert len(found.sentences) == 3


def test_what_is_broken_has_no_numbers() -> None:
    assert Conclusion.broken("no server came up").variables() == "verdict=broken\nratio=\nlow=\nhigh=\n"


def test_rounds_that_both_have_are_plotted() -> None:
    assert changes_by_round({1: 100.0, 2: 100.0}, {1: 90.0, 3: 80.0}) == [pytest.approx(-0.1)]


def test_a_plot_shows_rounds_interval_zero_and_limit_on_one_scale() -> None:
    drawn = plot(Interval(estimate=-0.1, low=-0.12, high=-0.08, n=5), [-0.2, -0.1, -0.1, -0.09], 0.05)
    dots, interval, marks, ends = (line[:WIDTH] for line in drawn.splitlines())
    assert dots.index(".") == 0
    assert dots.count(":") == 1
    assert interval.index("[") < interval.index("o") < interval.index("]")
    assert marks.index("L") == 45
    assert marks.index("0") == WIDTH - 1
    assert (ends.split()[0], ends.split()[-1]) == ("-20.0%", "+0.0%")
    assert "L: the limit, 5.0% slower" in drawn


def test_a_plot_of_one_round_that_shows_no_change_can_be_drawn() -> None:
    drawn = plot(Interval(estimate=0.0, low=None, high=None, n=1), [0.0], None)
    assert drawn.splitlines()[1].startswith("o")
