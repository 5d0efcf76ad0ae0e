"""The loop records each visit before the next, and writes a summary however it ends."""

import errno
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from requests import ConnectionError as LostConnectionError

from common.console import Terminal
from common.errors import BenchmarkError, FailedError, GeneratorBoundError, OutOfTimeError, UsageError
from common.host.run_lock import hold_run_lock
from common.records.schema import Visit
from common.records.window import Window
from common.runtimes.candidates import Candidate
from common.tables import Form
from loadtests.campaign import loop
from loadtests.campaign.loop import carry_out, hold_machine, present, start
from loadtests.campaign.manifest import RunIdentity
from loadtests.campaign.parameters import RunParameters
from loadtests.campaign.plan import PlannedVisit, planned_visits
from loadtests.campaign.store import VISITS, RunFolder
from tests.support.records import cell, run
from tests.support.toy_experiment import Act, Toy, ToySummary, printed, text_terminal, written_summary

MADE = run([cell("a"), cell("b")], rounds=3)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Create the folder of a run without visits."""
    return RunFolder.create(tmp_path / "run", MADE)


@pytest.fixture
def terminal() -> Terminal:
    """Return a terminal whose output can be read afterwards."""
    return text_terminal()


def _at(number: int, act: Callable[[], None]) -> Act:
    """Run an action at the visit of this number, counted from 1."""
    seen: list[PlannedVisit] = []

    def acted(planned: PlannedVisit) -> None:
        seen.append(planned)
        if len(seen) == number:
            act()

    return acted


def _raise(error: BaseException) -> Callable[[], None]:
    def raised() -> None:
        raise error

    return raised


def test_what_killed_commands_have_left_running_is_removed_once_no_other_run_is_in_progress(
    monkeypatch: pytest.MonkeyPatch, terminal: Terminal
) -> None:
    calls: list[str] = []

    def clear() -> list[str]:
        calls.append("removed")
        return []

    monkeypatch.setattr(loop, "clear_local_engine", clear)
    with hold_machine("first", terminal):
        with pytest.raises(UsageError, match="run first is in progress"), hold_machine("second", terminal):
            pass
        assert calls == ["removed"]
    assert printed(terminal.messages) == ""


def test_containers_that_may_be_in_use_elsewhere_are_named(monkeypatch: pytest.MonkeyPatch, terminal: Terminal) -> None:
    monkeypatch.setattr(loop, "clear_local_engine", lambda: ["0a1b2c3d4e5f", "1a2b3c4d5e6f"])
    with hold_machine("first", terminal):
        warning = printed(terminal.messages)
    assert "warning: 2 containers of commands in other containers" in warning
    assert (
        "from servers: 0a1b2c3d4e5f, 1a2b3c4d5e6f. If nothing uses them, remove them with docker rm --force." in warning
    )


def test_every_visit_is_made_and_the_summary_returned(folder: RunFolder, terminal: Terminal) -> None:
    assert carry_out(Toy(MADE), {}, folder, terminal) == ToySummary(visits=6) == written_summary(folder)
    planned = planned_visits(Window, ["a", "b"], 3, MADE.seed)
    assert [(one.round, one.cell) for one in folder.visits()] == [(one.round, one.cell) for one in planned]


def test_a_summary_whose_numbers_are_not_valid_can_be_had(folder: RunFolder, terminal: Terminal) -> None:
    failure, failures = FailedError("not valid"), list[BenchmarkError]()
    made = carry_out(Toy(MADE, failure=failure), {}, folder, terminal, on_failure=failures.append)
    assert (made, failures) == (ToySummary(visits=6), [failure])


def test_each_visit_is_on_disk_before_the_next_begins(folder: RunFolder, terminal: Terminal) -> None:
    seen: list[int] = []
    carry_out(Toy(MADE, lambda _: seen.append(len(folder.visits()))), {}, folder, terminal)
    assert seen == [0, 1, 2, 3, 4, 5]


def test_a_run_ends_rather_than_begin_a_visit_that_would_last_too_long(folder: RunFolder, terminal: Terminal) -> None:
    slow = Toy(MADE, lambda _: time.sleep(0.3))
    with pytest.raises(OutOfTimeError):
        carry_out(slow, {}, folder, terminal, ends_at_s=time.monotonic() + 0.5)
    assert len(folder.visits()) == 1
    assert carry_out(Toy(MADE), {}, folder, terminal).visits == 6


def test_visits_that_are_made_together_are_recorded_together(folder: RunFolder, terminal: Terminal) -> None:
    seen: list[int] = []
    carry_out(Toy(MADE, lambda _: seen.append(len(folder.visits())), together=True), {}, folder, terminal)
    assert seen == [0, 0, 2, 2, 4, 4]
    took_s = [one.took_s for one in folder.visits()]
    assert took_s[::2] == took_s[1::2]


def test_durations_of_visits_add_up_to_the_time_that_passed(folder: RunFolder, terminal: Terminal) -> None:
    """The budget therefore includes the time between two visits."""
    began_s = time.perf_counter()
    carry_out(Toy(MADE, lambda _: time.sleep(0.02)), {}, folder, terminal)
    elapsed_s = time.perf_counter() - began_s
    took_s = [one.took_s or 0.0 for one in folder.visits()]
    assert min(took_s) >= 0.02
    assert 0.12 <= sum(took_s) <= elapsed_s


def test_an_interrupted_run_continues_with_the_remaining_visits(folder: RunFolder, terminal: Terminal) -> None:
    with pytest.raises(KeyboardInterrupt):
        carry_out(Toy(MADE, _at(3, _raise(KeyboardInterrupt()))), {}, folder, terminal)
    before = folder.visits()
    made: list[PlannedVisit] = []
    assert carry_out(Toy(MADE, made.append), {}, folder, terminal) == ToySummary(visits=6)
    assert (len(before), len(made)) == (2, 4)
    assert folder.visits()[:2] == before
    assert "4 visits, about 0:00" in printed(terminal.messages)


def test_a_run_that_is_over_makes_no_visit(folder: RunFolder, terminal: Terminal) -> None:
    carry_out(Toy(MADE), {}, folder, terminal)
    again = text_terminal()
    assert carry_out(Toy(MADE, lambda _: pytest.fail("a visit was made")), {}, folder, again).visits == 6
    assert "completed: enough was seen" in printed(again.messages)
    assert "visits, about" not in printed(again.messages)
    assert "table of 6" in printed(again.results)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), FailedError("the generator died"), UsageError("no image is there any more")]
)
def test_an_interrupted_run_says_how_to_resume_and_keeps_its_visits(
    folder: RunFolder, terminal: Terminal, error: BaseException
) -> None:
    experiment = Toy(MADE, _at(2, _raise(error)))
    with pytest.raises(type(error)):
        carry_out(experiment, {}, folder, terminal)
    assert f"interrupted; resume with: make toy RESUME={folder.folder}\n" in printed(terminal.messages)
    assert "completed" not in printed(terminal.messages)
    assert written_summary(folder) == ToySummary(visits=1)
    assert "table of 1" in printed(terminal.results)
    assert not experiment.open


def test_the_command_that_resumes_a_run_can_be_pasted_whatever_its_folder_is_called(
    tmp_path: Path, terminal: Terminal
) -> None:
    folder = RunFolder.create(tmp_path / "my run", MADE)
    with pytest.raises(KeyboardInterrupt):
        carry_out(Toy(MADE, _at(1, _raise(KeyboardInterrupt()))), {}, folder, terminal)
    assert f"resume with: make toy RESUME='{folder.folder}'\n" in printed(terminal.messages)


def test_an_interrupted_run_that_cannot_be_resumed_does_not_say_how(folder: RunFolder, terminal: Terminal) -> None:
    experiment = Toy(run([cell("my-app-local+b")]), _at(1, _raise(KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        carry_out(experiment, {}, folder, terminal)
    assert "resume" not in printed(terminal.messages)


def test_an_engine_that_goes_away_ends_the_run_and_it_can_be_resumed(folder: RunFolder, terminal: Terminal) -> None:
    lost = LostConnectionError("Connection aborted.")
    with pytest.raises(FailedError, match="the Docker engine no longer answers: Connection aborted"):
        carry_out(Toy(MADE, _at(2, _raise(lost))), {}, folder, terminal)
    assert f"resume with: make toy RESUME={folder.folder}" in printed(terminal.messages)
    assert written_summary(folder) == ToySummary(visits=1)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_reported_with_the_file_and_how_to_resume(
    folder: RunFolder, terminal: Terminal, number: int
) -> None:
    full = OSError(number, os.strerror(number), "/elsewhere/load.json")
    with pytest.raises(FailedError, match=r"/elsewhere/load\.json cannot be written: .*resume the run once there is"):
        carry_out(Toy(MADE, _at(2, _raise(full))), {}, folder, terminal)
    assert f"resume with: make toy RESUME={folder.folder}" in printed(terminal.messages)
    assert written_summary(folder) == ToySummary(visits=1)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EMFILE])
def test_a_failure_that_names_no_file_is_reported_without_one(
    folder: RunFolder, terminal: Terminal, number: int
) -> None:
    """Such as that of a system that has no more processes or sockets."""
    reason = os.strerror(number)
    with pytest.raises(FailedError, match=rf"^the system is out of resources: {reason}\. .* resume the run later\.$"):
        carry_out(Toy(MADE, _at(2, _raise(OSError(number, reason)))), {}, folder, terminal)
    assert written_summary(folder) == ToySummary(visits=1)


def test_a_visit_that_cannot_be_written_ends_the_run_with_earlier_ones_kept(
    folder: RunFolder, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = RunFolder.add

    def add_first_only(folder: RunFolder, visit: Visit) -> None:
        if folder.visits():
            raise folder.unwritable(VISITS, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        add(folder, visit)

    monkeypatch.setattr(RunFolder, "add", add_first_only)
    with pytest.raises(FailedError, match=r"visits\.jsonl cannot be written: No space left on device"):
        carry_out(Toy(MADE), {}, folder, terminal)
    assert written_summary(folder) == ToySummary(visits=1)
    assert f"resume with: make toy RESUME={folder.folder}" in printed(terminal.messages)


def test_other_system_errors_are_not_reported_as_a_full_disk(folder: RunFolder, terminal: Terminal) -> None:
    with pytest.raises(PermissionError):
        carry_out(Toy(MADE, _at(2, _raise(PermissionError(errno.EPERM, "no")))), {}, folder, terminal)
    assert written_summary(folder) == ToySummary(visits=1)


def test_the_summary_is_on_disk_before_it_is_printed(folder: RunFolder, terminal: Terminal) -> None:
    """A closed pipe loses only the printed output."""
    with pytest.raises(BrokenPipeError):
        carry_out(Toy(MADE, unprintable=True), {}, folder, terminal)
    assert written_summary(folder) == ToySummary(visits=6)


def test_a_summary_that_cannot_be_written_is_still_printed(folder: RunFolder, terminal: Terminal) -> None:
    (folder.folder / "summary.json").mkdir()
    with pytest.raises(FailedError, match=r"summary\.json cannot be written"):
        carry_out(Toy(MADE), {}, folder, terminal)
    assert "table of 6" in printed(terminal.results)


def test_invalid_numbers_fail_the_run_after_it_is_written_and_printed(folder: RunFolder, terminal: Terminal) -> None:
    with pytest.raises(GeneratorBoundError, match="may be its own"):
        carry_out(Toy(MADE, failure=GeneratorBoundError("it may be its own")), {}, folder, terminal)
    assert written_summary(folder) == ToySummary(visits=6)
    assert "the conclusion" in printed(terminal.results)
    assert "interrupted" not in printed(terminal.messages)


def test_results_are_printed_apart_from_messages(folder: RunFolder, terminal: Terminal) -> None:
    carry_out(Toy(MADE), {}, folder, terminal)
    assert printed(terminal.results) == "table of 6\n  a [note]\nthe conclusion\n"
    messages = printed(terminal.messages).splitlines()
    assert messages[0].startswith("round 1/3 ")
    assert messages[0].endswith(("a: saw a", "b: saw b"))
    assert [line for line in messages if "visits" in line] == [
        "round 1 of 2 visits",
        "round 2 of 4 visits",
        "round 3 of 6 visits",
    ]
    assert messages[-2:] == ["completed: enough was seen", f"written to {folder.folder}"]


def test_a_table_so_far_is_shown_on_a_terminal_only(folder: RunFolder) -> None:
    interactive = text_terminal(interactive=True)
    carry_out(Toy(MADE, lambda _: time.sleep(0.15)), {}, folder, interactive)
    assert "so far 3" in printed(interactive.messages)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Redirect the default results folder."""
    monkeypatch.setattr(loop, "RESULTS", tmp_path / "results")
    return tmp_path / "results"


def _begin(identity: RunIdentity) -> tuple[Toy, Mapping[str, Candidate]]:
    return Toy(run([cell("a")], id=identity.id, seed=identity.seed, rounds=1)), {}


def test_a_new_run_is_written_below_the_results_by_its_id(results: Path, terminal: Terminal) -> None:
    assert start("toy", _begin, RunParameters(seed=7), terminal) == ToySummary(visits=1)
    (folder,) = results.iterdir()
    assert folder.name.endswith("-toy-7")
    assert RunFolder(folder=folder).run().id == folder.name


def test_a_folder_in_use_is_refused_before_anything_is_prepared(tmp_path: Path, terminal: Terminal) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="is not empty"):
        start("toy", lambda _: pytest.fail("it was prepared"), RunParameters(seed=7, out=tmp_path), terminal)


def test_a_second_run_is_refused_before_anything_is_prepared(tmp_path: Path, terminal: Terminal) -> None:
    with hold_run_lock("the first"), pytest.raises(UsageError, match="run the first is in progress"):
        start("toy", lambda _: pytest.fail("it was prepared"), RunParameters(seed=7, out=tmp_path / "out"), terminal)
    assert not (tmp_path / "out").exists()


def test_a_run_that_cannot_be_prepared_leaves_no_folder(results: Path, terminal: Terminal) -> None:
    def begin(identity: RunIdentity) -> tuple[Toy, Mapping[str, Candidate]]:
        raise FailedError(f"nothing conforms in {identity.id}")

    with pytest.raises(FailedError, match="nothing conforms"):
        start("toy", begin, RunParameters(seed=7), terminal)
    assert not results.exists()
    assert "resume" not in printed(terminal.messages)


def test_as_json_only_the_record_is_printed(terminal: Terminal) -> None:
    present(Toy(MADE), ToySummary(visits=3), replace(terminal, form=Form.JSON))
    assert printed(terminal.results) == '{"visits":3}\n'
    assert printed(terminal.messages) == ""


def test_as_csv_sentences_are_messages(terminal: Terminal) -> None:
    present(Toy(MADE), ToySummary(visits=3), replace(terminal, form=Form.CSV))
    assert printed(terminal.results) == "table of 3\n"
    assert printed(terminal.messages) == "a [note]\nthe conclusion\n"
