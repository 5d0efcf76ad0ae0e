"""An interrupted run is completed as it was begun, or what has changed since is named."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from common.aws.settings import FargateSettings
from common.errors import FailedError, UsageError
from common.host.run_lock import hold_run_lock
from common.project import ROOT
from common.records.run import LoadRun, Run
from loadtests.campaign import store
from loadtests.campaign.resume import ExperimentOf, resume
from loadtests.campaign.store import DAMAGED, VISITS, RunFolder
from tests.support.here import NAME, real_cell, run_fields
from tests.support.records import cell, run, window
from tests.support.toy_experiment import Toy, ToySummary, printed, text_terminal

OLD = ROOT / "tests" / "golden" / "schema-2" / "compare"


@pytest.fixture(scope="module")
def here() -> LoadRun:
    """A run of a real stack, as it is here and now."""
    return run([real_cell()], **run_fields(rounds=3), server_cores=[0], generator_cores=[0])


@pytest.fixture
def folder(here: LoadRun, tmp_path: Path) -> RunFolder:
    """Its folder, without a visit."""
    return RunFolder.create(tmp_path / "run", here)


def _toy(made: Run) -> Toy:
    assert isinstance(made, LoadRun)
    return Toy(made)


def _together(made: Run) -> Toy:
    assert isinstance(made, LoadRun)
    return Toy(made, together=True)


def _resume(folder: RunFolder, experiment_of: ExperimentOf = _toy) -> str:
    """Resume the run; return what was said meanwhile."""
    terminal = text_terminal()
    assert isinstance(resume(str(folder.folder), "toy", experiment_of, terminal), ToySummary)
    return printed(terminal.messages)


def _changed_cell(folder: RunFolder, **changes: Any) -> None:  # noqa: ANN401 -- any field
    was = folder.run()
    assert isinstance(was, LoadRun)
    folder.describe(replace(was, cells=[replace(was.cells[0], **changes)]))


def test_what_is_left_is_made_and_what_was_measured_stays_as_it_was(folder: RunFolder) -> None:
    first = window(NAME, 1, None)
    folder.add(first)
    _resume(folder)
    assert folder.visits()[0] == first
    assert [one.round for one in folder.visits()] == [1, 2, 3]


def test_what_has_not_changed_goes_on_without_a_warning(folder: RunFolder) -> None:
    assert "was" not in _resume(folder).replace("enough was seen", "")


def test_how_the_run_was_resumed_is_recorded_each_time(folder: RunFolder) -> None:
    before = folder.run()
    _resume(folder)
    _resume(folder)
    assert folder.run() == replace(before, command_line=folder.run().command_line)
    assert folder.run().command_line[:-2] == before.command_line


def test_a_run_that_is_complete_is_summarised_again(folder: RunFolder) -> None:
    _resume(folder)
    visits = folder.visits()
    assert "completed: enough was seen" in _resume(folder)
    assert folder.visits() == visits


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lock_sha256": "0" * 64}, r"lock_sha256 of raw_wsgi\+gunicorn-gthread was 0{20}\.\.\. and is"),
        ({"packages": {"gunicorn": "1.0"}}, r"packages of raw_wsgi\+gunicorn-gthread was gunicorn 1\.0 and is"),
        ({"python": "3.1.4"}, r"python of raw_wsgi\+gunicorn-gthread was 3\.1\.4 and is"),
        ({"command": ["gunicorn", "--slow"]}, r"command of raw_wsgi\+gunicorn-gthread was gunicorn --slow and is"),
        ({"source_digest": "1" * 64}, r"source_digest of raw_wsgi\+gunicorn-gthread was 1{20}\.\.\. and is"),
    ],
)
def test_a_changed_stack_is_refused_by_name(folder: RunFolder, changes: dict[str, Any], told: str) -> None:
    _changed_cell(folder, **changes)
    before = folder.run()
    with pytest.raises(UsageError, match=told):
        _resume(folder)
    assert folder.run() == before
    assert folder.visits() == []


def test_what_an_older_record_does_not_hold_is_not_called_changed(folder: RunFolder) -> None:
    _changed_cell(folder, packages={}, command=[], source_digest=None)
    _resume(folder)


def test_every_change_is_named_at_once(folder: RunFolder) -> None:
    _changed_cell(folder, lock_sha256="0" * 64, python="3.1.4")
    with pytest.raises(UsageError, match=r"lock_sha256 of .*; python of .*\. Restore that, or begin a new run\."):
        _resume(folder)


class _PinnedToy(Toy):
    """A toy that needs a core that no machine has."""

    def cores(self) -> frozenset[int]:
        """Return the core."""
        return frozenset({4096})


def test_a_changed_machine_is_refused_by_name(folder: RunFolder) -> None:
    was = folder.run()
    folder.describe(replace(was, machine=replace(was.machine, cpu_model="Z80")))

    def pinned(made: Run) -> Toy:
        assert isinstance(made, LoadRun)
        return _PinnedToy(made)

    with pytest.raises(UsageError, match=r"cpu_model was Z80 and is .*; core 4096 cannot be used any more"):
        _resume(folder, pinned)


def test_a_changed_revision_or_kernel_is_reported_and_does_not_end_the_run(folder: RunFolder) -> None:
    was = folder.run()
    folder.describe(replace(was, revision="0123456789ab", machine=replace(was.machine, kernel="2.4")))
    told = _resume(folder)
    assert "warning: the project's revision was 0123456789ab and is" in told
    assert "warning: the kernel was 2.4 and is" in told


def test_a_framework_that_is_gone_is_named(folder: RunFolder) -> None:
    _changed_cell(folder, framework="gone")
    with pytest.raises(UsageError, match="no longer here"):
        _resume(folder)


def test_a_damaged_last_line_is_set_aside_and_its_visit_made_again(folder: RunFolder) -> None:
    folder.add(window(NAME, 1, None))
    with (folder.folder / VISITS).open("ab") as file:
        file.write(b'{"kind":"window","run":"2026')
    assert f"set aside in {DAMAGED}; its visit is made again" in _resume(folder)
    assert [one.round for one in folder.visits()] == [1, 2, 3]


def test_a_round_that_is_half_made_is_made_again_where_visits_are_made_together(folder: RunFolder) -> None:
    was = folder.run()
    assert isinstance(was, LoadRun)
    other = replace(was.cells[0], name="other")
    folder.describe(replace(was, cells=[was.cells[0], other]))
    for one in (window(NAME, 1, None), window("other", 1, None), window(NAME, 2, None)):
        folder.add(one)
    assert f"its last round is only half made: set aside in {DAMAGED}" in _resume(folder, _together)
    assert len(folder.visits()) == 6
    assert len((folder.folder / DAMAGED).read_bytes().splitlines()) == 1


def test_a_run_is_resumed_by_the_command_that_began_it(folder: RunFolder) -> None:
    with pytest.raises(UsageError, match=r"RESUME=.* was written by make toy\. Resume it with that command\."):
        resume(str(folder.folder), "loadtest", _toy, text_terminal())


def test_a_run_that_cannot_be_resumed_is_refused(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Toy, "resumable", False)
    with pytest.raises(UsageError, match="whose runs cannot be resumed"):
        _resume(folder)


def test_a_run_of_an_older_version_is_not_resumed() -> None:
    with pytest.raises(UsageError, match="was written by an older version, which can be read but not resumed"):
        resume(str(OLD), "toy", _toy, text_terminal())


@pytest.mark.parametrize("text", ["{", "[]", '"run"', json.dumps({"experiment": "tea"}), "\xff"])
def test_a_folder_whose_manifest_is_damaged_is_refused_in_one_line(folder: RunFolder, text: str) -> None:
    (folder.folder / "run.json").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError) as seen:
        _resume(folder)
    assert str(folder.folder) in str(seen.value)
    assert "\n" not in str(seen.value)


def test_nothing_is_resumed_while_another_run_is_under_way(folder: RunFolder) -> None:
    before = folder.run()
    with hold_run_lock("another"), pytest.raises(UsageError, match="run another is under way"):
        _resume(folder)
    assert folder.run() == before


def test_what_only_fargate_takes_is_refused_elsewhere(folder: RunFolder) -> None:
    with pytest.raises(UsageError, match="CLUSTER= needs RUNTIME=fargate"):
        resume(str(folder.folder), "toy", _toy, text_terminal(), fargate=FargateSettings(cluster="mine"))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the latest run is looked for."""
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    return tmp_path


class _OtherToy(Toy):
    command = "other"


def _toy_or_other(made: Run) -> Toy:
    assert isinstance(made, LoadRun)
    return _OtherToy(made) if made.id == "other" else Toy(made)


def test_latest_is_the_newest_run_of_the_command_that_is_not_complete(results: Path, here: LoadRun) -> None:
    for name in ("1-unfinished", "2-unfinished", "3-complete"):
        RunFolder.create(results / name, here)
    for number in (1, 2, 3):
        RunFolder(folder=results / "3-complete").add(window(NAME, number, None))
    RunFolder.create(results / "4-other", replace(here, id="other"))
    RunFolder.create(results / "5-damaged", here)
    (results / "5-damaged" / "run.json").write_text("{")
    RunFolder.create(results / "6-damaged", here)
    (results / "6-damaged" / VISITS).write_text("{}\n{}\n{}\n")
    (results / "7-old").mkdir()
    (results / "7-old" / "run.json").write_text('{"verb": "latency"}')
    resume("latest", "toy", _toy_or_other, text_terminal())
    complete = [one.name for one in sorted(results.iterdir()) if (one / "summary.json").exists()]
    assert complete == ["2-unfinished"]
    resume("latest", "other", _toy_or_other, text_terminal())
    assert (results / "4-other" / "summary.json").exists()


def test_where_everything_is_complete_there_is_no_latest(results: Path) -> None:
    RunFolder.create(results / "1-other", run([cell(NAME)], id="other"))
    with pytest.raises(UsageError, match=r"RESUME=latest: no run of make toy is unfinished\."):
        resume("latest", "toy", _toy_or_other, text_terminal())


def test_a_run_that_is_interrupted_again_keeps_what_it_has_by_then(folder: RunFolder) -> None:
    def failing(made: Run) -> Toy:
        assert isinstance(made, LoadRun)

        def act(planned: object) -> None:
            if len(folder.visits()) == 2:
                raise FailedError(f"no {planned}")

        return Toy(made, act)

    with pytest.raises(FailedError):
        _resume(folder, failing)
    assert [one.round for one in folder.visits()] == [1, 2]
    _resume(folder)
    assert [one.round for one in folder.visits()] == [1, 2, 3]
