"""A crosscheck gives each stack to both tools in every round, and fails where a window had failures."""

import pytest

from common.catalog.runtimes import Runtime
from common.errors import FailedError
from common.records.load import Setup, Tool
from common.records.window import Window
from common.runtimes.candidates import Candidate, select_candidates, single_candidate
from loadtests.campaign.plan import planned_visits
from loadtests.generator import crosscheck
from loadtests.generator.crosscheck import Crosscheck
from tests.support.generator_records import crosscheck_run
from tests.support.records import cell, load, window

NAMES = ("falcon+gunicorn-sync, locust", "falcon+gunicorn-sync, wrk")
RUN = crosscheck_run([cell(name, server="gunicorn-sync") for name in NAMES], rounds=2, seed=3)


@pytest.fixture
def candidate() -> Candidate:
    return single_candidate(
        select_candidates(framework="falcon", server="gunicorn-sync", image=None, runtime=Runtime.PROCESS)
    )


def test_each_window_is_made_by_the_tool_that_its_cell_is_named_after(
    candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Tool, int]] = []

    def measured(blank: Window, setup: Setup, _: Candidate, *, seed: int) -> Window:
        asked.append((blank.cell.rpartition(" ")[2], setup.load.tool, seed))
        return blank

    monkeypatch.setattr(crosscheck, "measure_window", measured)
    experiment = Crosscheck(RUN)
    subjects = {one.name: candidate for one in RUN.cells}
    with experiment.visiting(subjects, None) as visit:  # type: ignore[arg-type]  # no messages
        for planned in planned_visits(Window, [one.name for one in RUN.cells], 2, RUN.seed):
            visit([planned])
    assert sorted(asked) == [
        ("locust", Tool.LOCUST, 4), ("locust", Tool.LOCUST, 5), ("wrk", Tool.WRK, 4), ("wrk", Tool.WRK, 5)
    ]  # fmt: skip


def test_both_cells_are_resumed_with_the_same_stack(candidate: Candidate) -> None:
    subjects = Crosscheck(RUN).subjects()
    assert set(subjects) == {one.name for one in RUN.cells}
    assert {one.stack.name for one in subjects.values()} == {candidate.stack.name}


def test_windows_with_failures_make_the_command_fail_once_all_is_written() -> None:
    experiment = Crosscheck(RUN)
    good = [window(one.name, 1, load()) for one in RUN.cells]
    assert experiment.failure(experiment.summarise(good)) is None
    bad = [*good, window(RUN.cells[1].name, 2, load(failures={"timeout": 3}))]
    error = experiment.failure(experiment.summarise(bad))
    assert isinstance(error, FailedError)
    assert str(error) == "1 windows had failures, first round 2 falcon+gunicorn-sync, wrk: timeout x 3."
