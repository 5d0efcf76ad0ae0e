"""Pairs are different, equivalent or undecided; decisions are final; looks come as planned."""

import math

import pytest

from common.records.summary import Decision, Interval, Pair
from loadtests.analysis.comparison import better_of, decide, looks_taken, pairs, rank_ranges, ties, worth_continuing
from loadtests.analysis.thresholds import LOOKS
from tests.support.synthetic import compare_two

WOBBLE = (1.01, 0.99, 1.0, 1.005, 0.995, 1.002, 0.998, 1.0)

CELLS = ("a", "b", "c")


def _cell(level: float, rounds: int = 8, swing: float = 1.0) -> dict[int, float]:
    return {number: level * WOBBLE[(number * 3) % 8] ** swing for number in range(1, rounds + 1)}


@pytest.mark.parametrize(
    ("a", "b", "decision"),
    [
        (_cell(1000, swing=-1), _cell(1000), Decision.EQUIVALENT),
        (_cell(1200, swing=-1), _cell(1000), Decision.DIFFERENT),
        (_cell(1000, swing=-15), _cell(1000), Decision.UNDECIDED),
        (_cell(1000, rounds=1), _cell(10), Decision.UNDECIDED),
        ({1: 5.0}, {2: 5.0}, Decision.UNDECIDED),
    ],
    ids=["close", "apart", "noisy", "one round", "no round in common"],
)
def test_two_cells_are_compared_within_the_rounds_that_both_have(
    a: dict[int, float], b: dict[int, float], decision: Decision
) -> None:
    assert compare_two(a, b).decision is decision


def test_differences_between_rounds_do_not_hide_a_difference_between_cells() -> None:
    shared = {1: 1.0, 2: 3.0, 3: 2.0, 4: 1.5, 5: 0.2}
    a = {number: 1000 * shared[number] for number in shared}
    b = {number: 1100 * shared[number] * WOBBLE[number] for number in shared}
    found = compare_two(a, b)
    assert found.decision is Decision.DIFFERENT
    assert found.ratio is not None
    assert found.ratio.estimate == pytest.approx(1 / 1.1, rel=0.01)


def test_a_pair_left_undecided_by_a_narrow_margin_is_equivalent_under_a_wide_one() -> None:
    a, b = _cell(1000, swing=-3), _cell(1000)
    assert compare_two(a, b, margin=0.01).decision is Decision.UNDECIDED
    assert compare_two(a, b, margin=0.10).decision is Decision.EQUIVALENT


def test_more_pairs_and_looks_demand_a_clearer_difference() -> None:
    """The p-value is adjusted for both."""
    a, b = _cell(1020, 5, swing=-1), _cell(1000, 5)
    alone = compare_two(a, b)
    crowd = {"a": a, "b": b} | {str(number): _cell(1000, 5) for number in range(4)}
    among = next(pair for pair in pairs(crowd) if (pair.a, pair.b) == ("a", "b"))
    assert alone.decision is Decision.DIFFERENT
    assert among.decision is Decision.UNDECIDED
    assert among.p_value > 5 * alone.p_value


def test_the_p_value_of_a_single_pair_at_a_single_look_is_that_of_a_paired_t_test() -> None:
    from scipy import stats  # noqa: PLC0415 -- a second to import

    a, b = _cell(1010, swing=-1), _cell(1000)
    logs = [math.log(a[number] / b[number]) for number in a]
    assert compare_two(a, b).p_value == pytest.approx(stats.ttest_1samp(logs, 0).pvalue)


def test_a_p_value_is_adjusted_for_all_looks() -> None:
    values = {"a": _cell(1010, swing=-1), "b": _cell(1000)}
    (once,), (five,) = pairs(values, looks=1), pairs(values, looks=5)
    assert five.p_value == pytest.approx(5 * once.p_value)


def test_a_decision_is_final_whatever_later_rounds_show() -> None:
    early = pairs({"a": _cell(1200, 5, swing=-1), "b": _cell(1000, 5)})
    turned = dict.fromkeys(range(1, 9), 1.0)
    assert pairs({"a": turned, "b": turned}, decided=early) == early
    assert pairs({"b": turned, "a": turned}, decided=early) == early


def test_a_decided_pair_is_kept_after_its_cell_drops_out() -> None:
    early = pairs({"a": _cell(1200, 5, swing=-1), "b": _cell(1000, 5)})
    later = pairs({"b": _cell(1000), "c": _cell(1000, swing=-9)}, decided=early)
    assert set(early) <= set(later)
    assert len(later) == 2


def test_only_decisions_of_the_same_kind_shrink_the_family_of_the_other_pairs() -> None:
    """Holm's steps run over the hypotheses that are not yet rejected, which bounds the errors of each kind."""
    values = {"a": _cell(1000, swing=-9), "b": _cell(1000), "c": _cell(3000, swing=-9)}
    first = {pair.a + pair.b: pair for pair in pairs(values, looks=1)}
    assert first["ac"].decision is Decision.DIFFERENT
    assert first["ab"].decision is Decision.UNDECIDED
    again = pairs(values, looks=1, decided=list(first.values()))
    assert again == tuple(first.values())


def test_only_undecided_pairs_keep_their_cells_in_the_run() -> None:
    found = pairs({"a": _cell(1000, swing=-9), "b": _cell(1000), "c": _cell(9000)})
    assert worth_continuing("abc", found, rounds_left=10_000) == {"a", "b"}
    assert worth_continuing("abc", (), rounds_left=10_000) == frozenset()


def test_an_undecided_pair_with_a_dropped_cell_keeps_no_cell_in_the_run() -> None:
    found = pairs({"a": _cell(1000, swing=-9), "b": _cell(1000), "c": _cell(9000)})
    assert worth_continuing("ac", found, rounds_left=10_000) == frozenset()


def test_pairs_unlikely_to_be_decided_keep_no_cell_in_the_run() -> None:
    found = pairs({"a": _cell(1000, swing=-9), "b": _cell(1000)})
    (needed,) = [pair.rounds_needed for pair in found]
    assert needed is not None
    assert worth_continuing("ab", found, rounds_left=needed) == {"a", "b"}
    assert worth_continuing("ab", found, rounds_left=needed - 1) == frozenset()


@pytest.mark.parametrize(
    ("looks", "made", "wanted"),
    [
        (LOOKS, 20, (5, 8, 12, 16, 20)),
        (LOOKS, 12, (5, 8, 12)),
        (LOOKS, 10, (5, 8, 10)),
        (LOOKS, 3, (3,)),
        (LOOKS, 25, (5, 8, 12, 16, 20)),
        ((7,), 7, (7,)),
        (LOOKS, 0, ()),
    ],
)
def test_a_run_that_ends_between_two_looks_moves_the_next_one_forward(
    looks: tuple[int, ...], made: int, wanted: tuple[int, ...]
) -> None:
    assert looks_taken(looks, made) == wanted


def test_nothing_to_compare_gives_no_pairs() -> None:
    assert decide({}) == pairs({}) == pairs({"a": _cell(1)}) == ()


def test_the_band_is_as_wide_below_as_above() -> None:
    """The order of a pair's names changes no decision."""
    a, b = _cell(1000 * math.sqrt(1.04), swing=-1), _cell(1000 / math.sqrt(1.04))
    one, other = compare_two(a, b), compare_two(b, a)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.decision is other.decision


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


def test_cells_beyond_those_that_are_ranked_count_for_nothing() -> None:
    assert rank_ranges(["a", "b"], PAIRS) == {"a": (1, 2), "b": (1, 2)}
    assert ties(["b", "c"], PAIRS) == {"b": ["c"], "c": ["b"]}


def test_ties_are_not_transitive() -> None:
    assert ties(CELLS, PAIRS) == {"a": ["b"], "b": ["a", "c"], "c": ["b"]}


def test_the_better_of_two_is_named_only_where_they_differ() -> None:
    assert [better_of(pair) for pair in PAIRS] == ["", "", "a"]
    assert better_of(_pair("a", "b", 1.2, Decision.DIFFERENT)) == "a"
