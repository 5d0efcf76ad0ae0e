"""Stacks are loaded at once if the cores allow it, until their difference or the limit is decided."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from common.errors import SlowerError, UsageError
from common.records.run import CompareRun, Design
from common.records.schema import Visit
from common.records.summary import Decision, Interval, LimitDecision, Pair, Summary
from common.records.window import Window
from loadtests.analysis import outcome
from loadtests.analysis.limits import held_against
from loadtests.analysis.thresholds import COMPARISON_LOOKS
from loadtests.campaign.plan import PlannedVisit, parse_stopping, windows_of
from loadtests.campaign.store import RunFolder
from loadtests.experiments.compare.experiment import Compare, compare_runs, slower_than_allowed
from tests.support.records import cell, compare_run, load, run, window

ROUNDS, LOOKS = parse_stopping(rounds=None, looks=COMPARISON_LOOKS)


def _compare(design: Design = Design.DUET, **changes: Any) -> Compare:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {"rounds": ROUNDS, "looks": LOOKS.looks, "fewest_rounds": 5, "design": design}
    return Compare(compare_run([cell("a"), cell("b")], sides=["falcon", "flask"], **fields | changes))


def _visit(planned: PlannedVisit, slower: float = 0.1) -> Visit:
    noise = random.Random(f"{planned.cell}/{planned.round}").uniform(0.99, 1.01)  # noqa: S311 -- not for secrets
    requests = round(10_000 * noise * (1 - slower if planned.cell == "b" else 1))
    return replace(window(planned.cell, planned.round, load(requests)), position=planned.position)


def _completed(experiment: Compare, visits: Sequence[Visit] = (), *, slower: float = 0.1) -> list[Visit]:
    made = list(visits)
    while batch := experiment.remaining(made).batch:
        made += [_visit(one, slower) for one in batch]
    return made


def test_a_duet_loads_both_at_once() -> None:
    both = _compare().remaining([]).batch
    assert [(one.kind, one.round) for one in both] == [(Window, 1), (Window, 1)]
    assert {one.cell for one in both} == {"a", "b"}


def test_an_alternation_loads_one_after_the_other() -> None:
    assert len(_compare(Design.ALTERNATION).remaining([]).batch) == 1


@pytest.mark.parametrize("design", [Design.DUET, Design.ALTERNATION, Design.SLICED])
def test_a_comparison_ends_at_the_first_look_that_finds_a_difference(design: Design) -> None:
    visits = _completed(_compare(design))
    assert len(windows_of(visits)) == 2 * COMPARISON_LOOKS[0]
    summary = _compare(design).summarise(visits)
    assert [pair.decision for pair in summary.pairs] == [Decision.DIFFERENT]
    (sentence,) = _compare(design).conclusions(summary)
    assert sentence.startswith("b is slower than a by ")


@pytest.mark.parametrize("design", [Design.DUET, Design.SLICED])
@pytest.mark.parametrize(("limit", "message"), [(None, None), (0.2, None), (0.03, "b is slower by ")])
def test_a_comparison_fails_by_the_limit_in_its_manifest(
    limit: float | None, message: str | None, design: Design
) -> None:
    """A comparison that is resumed therefore fails like one that was never interrupted."""
    experiment = _compare(design, fail_if_slower=limit)
    failure = experiment.failure(experiment.summarise(_completed(experiment)))
    assert (failure is None) if message is None else str(failure).startswith(message)


def _ended(slower: float, limit: float) -> tuple[Compare, Summary, int]:
    """Return a comparison that was made to its end, its summary and how many rounds that took."""
    experiment = _compare(fail_if_slower=limit)
    visits = _completed(experiment, slower=slower)
    return experiment, experiment.summarise(visits), visits[-1].round


def test_a_comparison_with_a_limit_goes_on_until_the_limit_is_decided() -> None:
    """After five rounds the two are known to differ, but not by how much; it ended there once, and passed."""
    _, summary, rounds = _ended(slower=0.035, limit=0.03)
    assert rounds > COMPARISON_LOOKS[0]
    at_first = _compare().summarise(_completed(_compare(), slower=0.035))
    assert [pair.decision for pair in at_first.pairs] == [Decision.DIFFERENT]
    assert [pair.against_limit and pair.against_limit.decision for pair in summary.pairs] == [LimitDecision.SLOWER]


@pytest.mark.parametrize(
    ("slower", "said", "warned", "fails"),
    [
        (0.1, "b is slower than a by more than 3.0%: the difference is ", 0, True),
        (0.0, "b is not slower than a by more than 3.0%: the difference is ", 0, False),
        (0.03, "undecided whether b is slower than a by more than 3.0%: the difference is ", 1, False),
    ],
)
def test_the_decision_about_the_limit_is_said_first_and_one_that_is_open_warns(
    slower: float,
    said: str,
    warned: int,
    fails: bool,  # noqa: FBT001
) -> None:
    experiment, summary, _ = _ended(slower, 0.03)
    assert next(iter(experiment.conclusions(summary))).startswith(said)
    assert len([*experiment.warnings(summary)]) == warned
    assert isinstance(experiment.failure(summary), SlowerError) is fails


def test_a_run_that_decided_its_limit_does_not_say_that_it_is_undecided() -> None:
    """Whether the two are equivalent was not asked, and may be open."""
    experiment = _compare(fail_if_slower=0.03, margin=0.001)
    visits = _completed(experiment, slower=0.01)
    assert experiment.remaining(visits).completion_reason.startswith("every pair is resolved after")
    assert not any("undecided" in note for note in experiment.notes(experiment.summarise(visits)))


def test_a_comparison_interrupted_anywhere_continues_to_the_same_visits() -> None:
    """A round with only one window on disk is repeated, since its servers shared their cores."""
    experiment = _compare()
    unbroken = _completed(experiment)
    for made in range(len(unbroken)):
        visits = unbroken[:made]
        kept = visits[: len(visits) - experiment.half_made(visits)]
        assert _completed(experiment, kept) == unbroken


def test_only_a_duet_can_have_an_incomplete_round() -> None:
    both = [window("a", 1, load()), window("b", 1, load())]
    assert _compare().half_made([]) == 0
    assert _compare().half_made(both) == 0
    assert _compare().half_made([*both, window("b", 2, load())]) == 1
    assert _compare(Design.ALTERNATION).half_made(both[:1]) == 0


@pytest.mark.parametrize("design", [Design.DUET, Design.ALTERNATION, Design.SLICED])
def test_a_comparison_is_over_once_a_side_has_failed(design: Design) -> None:
    """With nothing to compare it with, the other side is not measured until the budget is used up."""
    experiment = _compare(design)
    loads = {"a": load(), "b": load(failures={"wrong body": 3})}
    visits = [window(name, number, loads[name]) for number in range(1, 6) for name in loads]
    assert experiment.remaining(visits).completion_reason == "no two stacks can be compared after 5 rounds"
    assert experiment.remaining(visits).batch == ()
    assert experiment.half_made([*visits, window("a", 6, load())]) == 0


def test_a_duet_gives_no_figures_of_the_stacks() -> None:
    experiment = _compare()
    assert list(experiment.figures(experiment.summarise(_completed(experiment)))) == []


def test_a_resumed_comparison_serves_the_sides_as_the_user_named_them() -> None:
    experiment = Compare(
        compare_run([cell("falcon"), cell("flask+gunicorn-sync")], sides=["falcon", "flask+gunicorn-sync"])
    )
    subjects = experiment.subjects()
    assert [one.stack.name for one in subjects.values()] == ["falcon+gunicorn-gthread", "flask+gunicorn-sync"]
    assert subjects.keys() == {one.name for one in experiment.stacks()}


def test_a_comparison_with_a_folder_of_ones_own_can_be_resumed() -> None:
    cells = [cell("falcon"), cell("./my-app", framework="my-app-local")]
    assert Compare(compare_run(cells, sides=["falcon", "./my-app"])).why_not_resumable is None


def test_a_side_without_a_server_gets_the_one_that_was_asked_for() -> None:
    experiment = Compare(
        compare_run([cell("falcon"), cell("flask")], sides=["falcon", "flask"], server_asked="granian")
    )
    assert {one.stack.server.name for one in experiment.subjects().values()} == {"granian"}


def test_a_comparison_without_recorded_sides_is_not_resumed() -> None:
    made: CompareRun = compare_run([cell("a"), cell("b")], sides=[])
    with pytest.raises(UsageError, match="does not record what A= and B= were"):
        Compare(made).subjects()


def _finished(folder: Path, name: str, requests: int, **changes: Any) -> RunFolder:  # noqa: ANN401 -- any field
    made = run([cell("a+b"), cell(f"only+{name}")], id=name, **changes)
    results = RunFolder.create(folder / name, made)
    for number in range(1, 6):
        results.add(window("a+b", number, load(requests + 10 * number), run_id=name))
    return results


def test_cells_common_to_two_finished_runs_are_compared(tmp_path: Path) -> None:
    old, new = _finished(tmp_path, "old", 10_000), _finished(tmp_path, "new", 9_000)
    (pair,), left_out = compare_runs(old, new, 0.05)
    assert left_out == []
    assert (pair.a, pair.b, pair.decision) == ("a+b of old", "a+b of new", Decision.DIFFERENT)
    assert "a+b of new is slower than a+b of old by 10.0%" in outcome.sentence(pair, 0.05)
    assert pair.against_limit is None
    assert slower_than_allowed([pair]) is None
    for limit, decided in ((0.03, LimitDecision.SLOWER), (0.2, LimitDecision.NOT_SLOWER)):
        (pair,), _ = compare_runs(old, new, 0.05, limit)
        assert pair.against_limit is not None
        assert pair.against_limit.decision is decided
        assert isinstance(slower_than_allowed([pair]), SlowerError) is (decided is LimitDecision.SLOWER)
    (same,), _ = compare_runs(old, old, 0.05)
    assert same.decision is Decision.EQUIVALENT


def _held(name: str, slower: float, half: float = 0.0) -> Pair:
    ratio = Interval(estimate=1 / (1 - slower), low=1 / (1 - slower + half), high=1 / (1 - slower - half), n=5)
    against = held_against(0.05, ratio)
    return Pair(a="a", b=name, ratio=ratio, p_value=0.0, decision=Decision.DIFFERENT, against_limit=against)


def test_the_slowest_of_several_pairs_is_named() -> None:
    pairs = [_held("x", 0.1), _held("y", 0.2), _held("z", -0.3)]
    assert str(slower_than_allowed(pairs)).startswith("y is slower by 20.0%, at least 20.0%: more than")


def test_two_sides_that_differ_do_not_fail_while_the_limit_lies_within_the_bounds() -> None:
    assert slower_than_allowed([_held("b", 0.06, half=0.02)]) is None
    assert slower_than_allowed([]) is None


def test_runs_made_under_different_conditions_are_refused(tmp_path: Path) -> None:
    old, new = _finished(tmp_path, "old", 10_000), _finished(tmp_path, "new", 9_000, users=64)
    with pytest.raises(UsageError, match="old has USERS=16, but run new has 64"):
        compare_runs(old, new, 0.05)
