"""Ranks count the cells that are better; ties name those that do not differ."""

from common.records.summary import Decision, Interval, Pair
from loadtests.analysis.ranking import better_of, rank_ranges, ties

CELLS = ("a", "b", "c")


def _pair(a: str, b: str, ratio: float, decision: Decision) -> Pair:
    interval = Interval(estimate=ratio, low=None, high=None, n=5)
    return Pair(a=a, b=b, ratio=interval, p_value=0.01, decision=decision)


PAIRS = (
    _pair("a", "b", 1.03, Decision.UNDECIDED),
    _pair("b", "c", 1.01, Decision.EQUIVALENT),
    _pair("c", "a", 0.90, Decision.DIFFERENT),
)


def test_a_rank_is_one_more_than_the_cells_that_are_better() -> None:
    assert rank_ranges(CELLS, PAIRS) == {"a": (1, 2), "b": (1, 3), "c": (2, 3)}


def test_ties_are_not_transitive() -> None:
    assert ties(CELLS, PAIRS) == {"a": ["b"], "b": ["a", "c"], "c": ["b"]}


def test_the_better_of_two_is_named_only_where_they_differ() -> None:
    assert [better_of(pair) for pair in PAIRS] == ["", "", "a"]
    assert better_of(_pair("a", "b", 1.2, Decision.DIFFERENT)) == "a"
