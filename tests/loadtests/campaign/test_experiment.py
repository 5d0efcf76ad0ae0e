"""The remaining visits of a fixed plan, and their expected duration, follow from the visits made."""

from msgspec.structs import replace

from common.records.schema import Visit
from loadtests.campaign.experiment import Remaining, expected_s, remaining_of
from loadtests.campaign.plan import PlannedVisit
from loadtests.experiments.memory.records import LimitVisit, MemoryVisit
from tests.support.records import NOON


def _plan(kind: type[Visit], number: int, cell: str) -> PlannedVisit:
    return PlannedVisit(kind=kind, round=number, position=1, cell=cell)


def _memory(number: int, cell: str, took_s: float | None = None) -> MemoryVisit:
    return MemoryVisit(run="run", round=number, position=1, cell=cell, started_at=NOON, took_s=took_s)


def _limit(number: int, cell: str, took_s: float | None = None) -> LimitVisit:
    visit = _memory(number, cell, took_s)
    return LimitVisit(
        run=visit.run,
        round=number,
        position=1,
        cell=cell,
        started_at=NOON,
        took_s=took_s,
        limit_bytes=None,
        step_bytes=1,
        repeats=3,
        attempts=[],
    )


PLAN = (
    _plan(MemoryVisit, 1, "a"),
    _plan(MemoryVisit, 1, "b"),
    _plan(MemoryVisit, 2, "b"),
    _plan(MemoryVisit, 2, "a"),
    _plan(LimitVisit, 2, "a"),
)


def test_visits_of_a_plan_are_made_one_at_a_time() -> None:
    assert remaining_of(PLAN, []).batch == (PLAN[0],)
    assert remaining_of(PLAN, [_memory(1, "a"), _memory(1, "b")]).batch == (PLAN[2],)


def test_a_completed_plan_is_over_with_a_reason() -> None:
    visits = [_memory(1, "a"), _memory(1, "b"), _memory(2, "b"), _memory(2, "a"), _limit(2, "a")]
    assert remaining_of(PLAN, visits) == Remaining(
        batch=(), completion_reason="every visit is made", count=0, left_s=0.0
    )


def test_remaining_visits_are_counted() -> None:
    left = remaining_of(PLAN, [_memory(1, "a")])
    assert (left.count, left.completion_reason) == (4, "")


def test_visits_of_another_kind_to_the_same_cell_are_distinct() -> None:
    made = [_memory(1, "a"), _memory(1, "b"), _memory(2, "b"), _memory(2, "a")]
    assert remaining_of(PLAN, made).batch == (PLAN[4],)


def test_a_visit_missing_in_the_middle_is_made_first() -> None:
    made = [_memory(1, "a"), _memory(2, "b"), _memory(2, "a")]
    assert remaining_of(PLAN, made).batch == (PLAN[1],)


def test_a_failed_visit_is_not_repeated() -> None:
    failed = replace(_memory(1, "a"), error="exit status 1")
    assert remaining_of(PLAN, [failed]).batch == (PLAN[1],)


def test_each_visit_is_expected_to_take_as_long_as_those_of_its_cell() -> None:
    made = [_memory(1, "a", 2.0), _memory(2, "a", 4.0), _memory(1, "b", 10.0)]
    assert expected_s([_plan(MemoryVisit, 3, "a"), _plan(MemoryVisit, 2, "b")], made) == 3.0 + 10.0


def test_a_new_cell_is_expected_to_take_as_long_as_the_others_of_its_kind() -> None:
    made = [_memory(1, "a", 2.0), _memory(1, "b", 4.0), _limit(1, "a", 60.0)]
    assert expected_s([_plan(MemoryVisit, 1, "c")], made) == 3.0


def test_no_duration_is_expected_of_a_kind_that_was_never_visited() -> None:
    assert expected_s([_plan(LimitVisit, 1, "a")], [_memory(1, "a", 2.0)]) is None
    assert expected_s([_plan(MemoryVisit, 2, "a")], [_memory(1, "a")]) is None
    assert remaining_of(PLAN, [_memory(1, "a", 2.0)]).left_s is None


def test_no_remaining_visits_take_no_time() -> None:
    assert expected_s([], []) == 0.0
