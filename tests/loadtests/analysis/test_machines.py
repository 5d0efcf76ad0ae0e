"""A decision of one machine is held against those of others, and rates only relative to the stacks both have."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from common.records.run import LoadRun, Run
from common.records.summary import Decision, Pair, Summary
from loadtests.analysis.across_runs import RecordedRun
from loadtests.analysis.machines import Elsewhere, holding, runs_elsewhere, same_stacks, sentences
from loadtests.page.sources import Source
from tests.support.pages import load_test

RATES = {"a+g": 20_000.0, "b+g": 10_000.0, "c+g": 5_000.0}


def _on(processor: str, source: Source, **changes: object) -> Source:
    machine = replace(source.run.machine, cpu_model=processor)
    return Source.of(replace(source.run, machine=machine, **changes), source.visits)


def _test(source: Source) -> RecordedRun:
    assert isinstance(source.run, LoadRun)
    assert isinstance(source.summary, Summary)
    return RecordedRun(source.run, (), source.summary)


HERE = _test(load_test(RATES, id="here"))


def _elsewhere(rates: dict[str, float], processor: str = "Other") -> Elsewhere:
    return Elsewhere.of(HERE, _test(_on(processor, load_test(rates, id="there"))))


def _pair(a: str, b: str) -> Pair:
    return next(pair for pair in HERE.summary.pairs if {pair.a, pair.b} == {a, b})


def test_a_decision_holds_on_machines_that_decided_alike() -> None:
    faster, slower = _elsewhere({"a+g": 40_000, "b+g": 30_000}), _elsewhere({"a+g": 30_000, "b+g": 40_000})
    pair = _pair("a+g", "b+g")
    assert pair.decision is Decision.DIFFERENT
    assert holding(pair, [faster]) == "holds on 2 of 2 machines"
    assert holding(pair, [faster, slower]) == "holds on 2 of 3 machines"
    assert holding(pair, [slower]) == "holds on 1 of 2 machines"


def test_a_machine_that_left_a_pair_undecided_has_compared_it() -> None:
    other = _test(load_test({"a+g": 10_100, "b+g": 10_000}, spread=0.1, id="there"))
    assert holding(_pair("a+g", "b+g"), [Elsewhere.of(HERE, other)]) == "holds on 1 of 2 machines"


def test_machines_that_did_not_compare_two_stacks_say_nothing_of_them() -> None:
    assert holding(_pair("b+g", "c+g"), [_elsewhere({"a+g": 40_000, "b+g": 30_000})]) == ""
    assert holding(_pair("b+g", "c+g"), []) == ""


def test_what_was_not_decided_here_holds_nowhere() -> None:
    undecided = Pair(a="a+g", b="b+g", ratio=None, p_value=1.0, decision=Decision.UNDECIDED)
    assert holding(undecided, [_elsewhere(RATES)]) == ""


def test_rates_are_compared_relative_to_the_stacks_that_both_machines_have() -> None:
    moved = _elsewhere({"a+g": 80_000, "b+g": 10_000, "d+g": 1}).moved
    assert moved == {"a+g": pytest.approx(2.0, rel=0.01), "b+g": pytest.approx(0.5, rel=0.01)}


def test_sentences_count_decisions_and_name_the_stack_that_moved_most() -> None:
    said = " ".join(sentences(HERE.summary.pairs, _elsewhere({"a+g": 20_000, "b+g": 4_000, "c+g": 5_000})))
    assert "Other, 2 of 3 pairs decided here and compared there came out alike, 1 the other way round." in said
    assert "Relative to the mean of the 3 stacks that both machines have" in said
    assert "at most (b+g)." in said


def test_a_stack_at_another_version_lock_source_or_python_is_another_one() -> None:
    first, second, *others = HERE.run.cells
    for changes in ({"version": "9"}, {"lock_sha256": "9"}, {"source_digest": "9"}, {"python": "3.9.1"}):
        changed = replace(HERE.run, cells=[replace(first, **changes), second, *others])
        assert first.name not in same_stacks(HERE.run, changed)
        assert second.name in same_stacks(HERE.run, changed)
    patched = replace(HERE.run, cells=[replace(first, python=f"{first.python}9"), second, *others])
    assert first.name in same_stacks(HERE.run, patched)


def _runs(*sources: Source) -> list[Run]:
    return [source.run for source in sources]


def test_of_each_other_processor_the_load_test_with_the_most_stacks_in_common_is_taken_with_its_repetitions() -> None:
    wide, narrow = load_test(RATES, id="wide"), load_test({"a+g": 1_000, "b+g": 500}, id="narrow")
    late = wide.run.started_at + timedelta(days=1)
    runs = _runs(
        _on("Other", wide), _on("Other", wide, id="again"), _on("Other", narrow, started_at=late), _on("Third", narrow),
        load_test(RATES, id="mine"),
    )  # fmt: skip
    assert [run.id for run in runs_elsewhere(HERE.run, runs)] == ["wide", "again", "narrow"]


def test_runs_that_loaded_stacks_in_another_way_are_not_held_against_it() -> None:
    wide = _on("Other", load_test(RATES, id="wide"))
    assert isinstance(wide.run, LoadRun)
    load = replace(wide.run.setup.load, users=wide.run.setup.load.users + 1)
    changed = replace(wide.run, setup=replace(wide.run.setup, load=load))
    assert runs_elsewhere(HERE.run, [wide.run]) == [wide.run]
    assert runs_elsewhere(HERE.run, [changed]) == []
    assert runs_elsewhere(HERE.run, _runs(_on("Other", load_test({"a+g": 1_000, "x+g": 1}, id="one")))) == []
