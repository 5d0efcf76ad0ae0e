"""A crosscheck gives each stack to both tools in every round, and fails where a window had failures."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from common.catalog.sizes import Runtime
from common.cli.parameters import StackParameter
from common.errors import FailedError
from common.records.load import Setup, Tool
from common.records.schema import Visit
from common.records.window import Window
from common.runtimes.candidates import Candidate
from loadtests.experiments.crosscheck import experiment as crosscheck
from loadtests.experiments.crosscheck.experiment import Crosscheck
from tests.support.generator_records import crosscheck_run
from tests.support.records import cell, load, window

NAMES = ("falcon+gunicorn-sync, locust", "falcon+gunicorn-sync, wrk")
RUN = replace(crosscheck_run([cell(name, server="gunicorn-sync") for name in NAMES], rounds=2, seed=3), turns=3)


@pytest.fixture
def candidate() -> Candidate:
    return StackParameter(framework="falcon", server="gunicorn-sync").candidate(Runtime.PROCESS)


def test_each_window_is_made_by_the_tool_that_its_cell_is_named_after(
    candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[tuple[str, Tool, int]]] = []

    def measured(windows: Sequence[tuple[Window, Setup]], _: Candidate, *, seed: int) -> list[Window]:
        asked.append([(blank.cell.rpartition(" ")[2], setup.load.tool, seed) for blank, setup in windows])
        return [blank for blank, _ in windows]

    monkeypatch.setattr(crosscheck, "measure_windows", measured)
    experiment = Crosscheck(RUN)
    subjects = {one.name: candidate for one in RUN.cells}
    visits: list[Visit] = []
    with experiment.visiting(subjects, None) as visit:  # type: ignore[arg-type]  # no messages
        while batch := experiment.remaining(visits).batch:
            visits += visit(batch)
    assert [sorted(server) for server in asked] == [
        [("locust", Tool.LOCUST, seed)] * 3 + [("wrk", Tool.WRK, seed)] * 3 for seed in (4, 5)
    ]
    assert asked[0] != sorted(asked[0]), "the tools' turns are shuffled"


def test_a_server_of_which_some_windows_are_missing_is_measured_again() -> None:
    experiment = Crosscheck(RUN)
    first, second = (experiment.remaining(visits).batch for visits in ([], [window("any", 1, None)] * 6))
    made = [one.record(Window, RUN.id) for one in (*first, *second)]
    assert [one.round for one in made] == [1] * 6 + [2] * 6
    assert [experiment.half_made(made[:count]) for count in (0, 1, 6, 8, 12)] == [0, 1, 0, 2, 0]
    assert not experiment.remaining(made).batch


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
    assert str(error) == "failures in 1 window, the first: round 2 falcon+gunicorn-sync, wrk: timeout x 3."
