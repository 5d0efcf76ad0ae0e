"""A run begins with what the runs that this machine holds show of variation from run to run."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from common.records.run import Conformance, Design, LoadRun
from common.records.summary import Verdict
from loadtests.analysis.between_runs import FEW
from loadtests.campaign import store
from loadtests.campaign.store import RunFolder
from loadtests.experiments.loadtest.earlier import with_earlier
from loadtests.experiments.loadtest.experiment import read_load_test
from tests.support.records import SLICING, cell, load, run, window

STACKS = 11
CONFORMANCE = Conformance(passed=1, duration_s=1.0)
Keep = Callable[..., LoadRun]


def _planned(**changes: Any) -> LoadRun:  # noqa: ANN401 -- any field
    cells = [cell(f"s{place}", conformance=CONFORMANCE) for place in range(STACKS)]
    made = run(cells, design=Design.SLICED, slicing=SLICING, rounds=5, looks=[5])
    return replace(made, **{"id": "now"} | changes)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(store, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(store, "PUBLISHED", tmp_path / "published")
    return tmp_path / "results"


def _keep(folder: Path, number: int, by_run: float = 0.02, rounds: int = 5, **changes: Any) -> LoadRun:  # noqa: ANN401 -- any field
    """Store a finished run whose stacks differ by so much from those of other runs."""
    made, rng = _planned(**{"id": f"r{number}"} | changes), np.random.default_rng(number)
    kept, own = RunFolder.create(folder / made.id, made), rng.normal(0, by_run, STACKS)
    for round_number in range(1, rounds + 1):
        for place, one in enumerate(made.cells):
            rate = 20_000 * 1.1**place * math.exp(own[place] + rng.normal(0, 0.003))
            kept.add(window(one.name, round_number, load(round(rate)), run_id=made.id))
    kept.finish(read_load_test(kept).summary)
    return made


def test_three_runs_of_the_same_stacks_take_the_place_of_the_default(results: Path) -> None:
    kept = [_keep(results, number) for number in range(3)]
    found = with_earlier(_planned()).run.between_runs
    assert found is not None
    assert found.runs == [made.id for made in kept]
    assert found.sd > 2 * FEW.sd


def test_fewer_leave_the_default_which_the_manifest_keeps(results: Path) -> None:
    for number in range(2):
        _keep(results, number)
    assert with_earlier(_planned()).run.between_runs == FEW


def test_a_published_run_counts_once_although_it_lies_in_two_folders(results: Path) -> None:
    for number in range(2):
        _keep(results, number)
    for number in range(1, 3):
        _keep(results.parent / "published", number)
    found = with_earlier(_planned()).run.between_runs
    assert found is not None
    assert found.runs == ["r0", "r1", "r2"]


def test_runs_that_are_unfinished_or_of_another_machine_way_or_number_of_stacks_say_nothing(results: Path) -> None:
    planned = _planned()
    _keep(results, 0)
    _keep(results, 1)
    _keep(results, 2, rounds=4)
    _keep(results, 3, machine=replace(planned.machine, cores=64))
    _keep(results, 4, setup=replace(planned.setup, load=replace(planned.setup.load, users=64)))
    assert with_earlier(planned).run.between_runs == FEW
    (results / "r0" / "run.json").write_text("{")
    assert with_earlier(planned).run.between_runs == FEW


def test_runs_of_other_stacks_count_as_far_as_they_repeat_each_other(results: Path) -> None:
    """A single run of other stacks has nothing that it can be compared with."""
    for number in range(3):
        _keep(results, number, revision="other")
    _keep(results, 3, revision="third")
    found = with_earlier(_planned()).run.between_runs
    assert found is not None
    assert found.runs == ["r0", "r1", "r2"]


def test_a_run_is_summarised_by_what_was_known_when_it_began(results: Path) -> None:
    """The same, however many runs lie beside it later."""
    for number in range(3):
        _keep(results, number)
    begun = with_earlier(_planned()).run
    _keep(results, 10, between_runs=begun.between_runs)
    folder = RunFolder(folder=results / "r10")
    before = read_load_test(folder).summary
    for number in range(4, 7):
        _keep(results, number, by_run=0.0)
    assert read_load_test(folder).summary == before
    assert before.between_runs == begun.between_runs


def test_a_run_says_at_its_end_what_is_known_together_with_earlier_ones_of_the_same_stacks(results: Path) -> None:
    for number in range(4):
        _keep(results, number, by_run=0.003)
    _keep(results, 5, by_run=0.003, revision="other")
    made = _keep(results, 6, by_run=0.003)
    summary = read_load_test(RunFolder(folder=results / "r6")).summary
    (results / "r6" / "run.json").unlink()
    test = with_earlier(made)
    (sentence,) = test.conclusions(summary)
    assert sentence.startswith(
        "with your 4 earlier runs: 55 of 55 pairs decided, 55 in this run alone; rates are known"
    )
    together, alone = map(float, re.findall(r"±([\d.]+)%", sentence))
    assert together < 0.6 * alone


def test_a_run_without_earlier_ones_or_in_doubt_says_nothing_of_them(results: Path) -> None:
    made = _keep(results, 1)
    summary = read_load_test(RunFolder(folder=results / "r1")).summary
    assert not [*with_earlier(made).conclusions(summary)]
    _keep(results, 2)
    doubts = {str(Verdict.CONTROL_DIFFERS): "Copies differ."}
    doubted = replace(summary, cells=[replace(row, doubts=doubts) for row in summary.cells])
    test = with_earlier(made)
    assert [*test.conclusions(summary)]
    assert not [*test.conclusions(doubted)]
