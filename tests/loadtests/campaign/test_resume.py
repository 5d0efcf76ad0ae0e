"""An interrupted run is completed as planned, or refused with what has changed."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from common.aws.settings import FargateSettings
from common.catalog.sizes import Runtime
from common.errors import FailedError, OutOfTimeError, UsageError
from common.host.run_lock import hold_run_lock
from common.records.load import REDACTED, OwnRequest
from common.records.run import Guest, LoadRun, Run
from loadtests.campaign import store
from loadtests.campaign.parameters import GuestParameters
from loadtests.campaign.resume import ExperimentOf, resume
from loadtests.campaign.store import DAMAGED, VISITS, RunFolder
from loadtests.experiments.distributed.experiment import Distributed
from tests.support.here import NAME, real_cell, run_fields
from tests.support.records import cell, run, window
from tests.support.toy_experiment import Toy, ToySummary, printed, text_terminal


@pytest.fixture(scope="module")
def here() -> LoadRun:
    """Return a run of a real stack, as it is on this machine now."""
    return run([real_cell()], **run_fields(rounds=3), server_cores=[0], generator_cores=[0])


@pytest.fixture
def folder(here: LoadRun, tmp_path: Path) -> RunFolder:
    """Create the run's folder, without visits."""
    return RunFolder.create(tmp_path / "run", here)


def _toy(made: Run) -> Toy:
    assert isinstance(made, LoadRun)
    return Toy(made)


def _together(made: Run) -> Toy:
    assert isinstance(made, LoadRun)
    return Toy(made, together=True)


def _resume(folder: RunFolder, experiment_of: ExperimentOf = _toy) -> str:
    """Resume the run and return the messages."""
    terminal = text_terminal()
    assert isinstance(resume(str(folder.folder), "toy", experiment_of, terminal), ToySummary)
    return printed(terminal.messages)


def _changed_cell(folder: RunFolder, **changes: Any) -> None:  # noqa: ANN401 -- any field
    was = folder.run()
    assert isinstance(was, LoadRun)
    folder.describe(replace(was, cells=[replace(was.cells[0], **changes)]))


def test_remaining_visits_are_made_and_earlier_ones_kept(folder: RunFolder) -> None:
    first = window(NAME, 1, None)
    folder.add(first)
    _resume(folder)
    assert folder.visits()[0] == first
    assert [one.round for one in folder.visits()] == [1, 2, 3]


def test_an_unchanged_run_resumes_without_a_warning(folder: RunFolder) -> None:
    assert "was" not in _resume(folder).replace("enough was seen", "")


def test_each_resumption_is_recorded_with_its_command_line(folder: RunFolder) -> None:
    before = folder.run()
    _resume(folder)
    _resume(folder)
    now = folder.run()
    assert now == replace(before, command_line=now.command_line, manifest_sha256=now.manifest_sha256)
    assert folder.run().command_line[:-2] == before.command_line


def test_a_run_that_is_complete_is_summarised_again(folder: RunFolder) -> None:
    _resume(folder)
    visits = folder.visits()
    assert "completed: enough was seen" in _resume(folder)
    assert folder.visits() == visits


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lock_sha256": "0" * 64}, r"lock_sha256 of raw_wsgi\+gunicorn-gthread was 0{20}\.\.\. and is"),
        ({"packages": {"gunicorn": "1.0"}}, r"packages of raw_wsgi\+gunicorn-gthread was gunicorn 1\.0 and is"),
        ({"python": "3.1.4"}, r"python of raw_wsgi\+gunicorn-gthread was 3\.1\.4 and is"),
        ({"command": ["gunicorn", "--slow"]}, r"command of raw_wsgi\+gunicorn-gthread was gunicorn --slow and is"),
        ({"source_digest": "1" * 64}, r"source_digest of raw_wsgi\+gunicorn-gthread was 1{20}\.\.\. and is"),
    ],
)
def test_a_changed_stack_is_refused_by_name(folder: RunFolder, changes: dict[str, Any], message: str) -> None:
    _changed_cell(folder, **changes)
    before = folder.run()
    with pytest.raises(UsageError, match=message):
        _resume(folder)
    assert folder.run() == before
    assert folder.visits() == []


def test_a_field_missing_from_an_older_record_is_not_a_change(folder: RunFolder) -> None:
    _changed_cell(folder, packages={}, command=[], source_digest=None)
    _resume(folder)


def test_every_change_is_named_at_once(folder: RunFolder) -> None:
    _changed_cell(folder, lock_sha256="0" * 64, python="3.1.4")
    with pytest.raises(UsageError, match=r"lock_sha256 of .*; python of .*\. Restore it, or start a new run\."):
        _resume(folder)


class _PinnedToy(Toy):
    """A toy experiment that needs a core that no machine has."""

    def cores(self) -> frozenset[int]:
        """Return the core."""
        return frozenset({4096})


def test_a_changed_machine_is_refused_by_name(folder: RunFolder) -> None:
    was = folder.run()
    folder.describe(replace(was, machine=replace(was.machine, cpu_model="Z80", cpu_identity="family 0")))

    def pinned(made: Run) -> Toy:
        assert isinstance(made, LoadRun)
        return _PinnedToy(made)

    changes = r"cpu_model was Z80 and is .*; cpu_identity was family 0 and is .*; core 4096 is no longer available"
    with pytest.raises(UsageError, match=changes):
        _resume(folder, pinned)


def test_a_changed_revision_or_kernel_is_only_reported(folder: RunFolder) -> None:
    was = folder.run()
    folder.describe(replace(was, revision="0123456789ab", machine=replace(was.machine, kernel="2.4")))
    messages = _resume(folder)
    assert "warning: the project's revision was 0123456789ab and is" in messages
    assert "warning: the kernel was 2.4 and is" in messages


def test_a_server_elsewhere_is_not_loaded_without_consent(folder: RunFolder) -> None:
    _changed_cell(folder, guest=Guest(url="http://192.0.2.1:8000"))
    with pytest.raises(UsageError, match=r"^URL=http://192\.0\.2\.1:8000 is a server elsewhere: .* FOREIGN_URL=yes"):
        _resume(folder)
    resumed = GuestParameters(foreign_url=True)
    with pytest.raises(UsageError, match=r"RESUME=.*: lock_sha256 of "):
        resume(str(folder.folder), "toy", _toy, text_terminal(), guest=resumed)


@pytest.mark.parametrize(
    ("was", "now"), [('"rounds": 3', '"rounds": 4'), ('"users": 16', '"users": 17'), ('"seed": 1', '"seed": 2')]
)
def test_a_manifest_that_was_edited_is_refused(folder: RunFolder, was: str, now: str) -> None:
    file = folder.folder / "run.json"
    assert was in file.read_text()
    file.write_text(file.read_text().replace(was, now))
    with pytest.raises(UsageError, match=r"^RESUME=.*: run\.json was changed after it was written: its SHA-256 is "):
        _resume(folder)
    assert folder.visits() == []


def test_a_manifest_without_a_digest_is_refused(folder: RunFolder) -> None:
    file = folder.folder / "run.json"
    file.write_text(re.sub(r'"manifest_sha256": "\w+"', '"manifest_sha256": null', file.read_text()))
    with pytest.raises(UsageError, match=r"^RESUME=.*: run\.json has no manifest_sha256"):
        _resume(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": 9_999_999}, "setup.load.users is 9999999: must be `int` <= 1000000"),
        ({"users": 500_000}, "invalid users 500000 in run.json: must be 1 to 10000"),
        ({"delay_ms": 10**6}, "setup.load.delay_ms is 1000000: must be `int` <= "),
        ({"scenario": "paths", "requests": [OwnRequest(path="/ HTTP/1.1")]}, "invalid request in run.json: the path"),
    ],
)
def test_a_load_that_the_command_line_refuses_is_not_resumed(
    here: LoadRun, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    load = replace(here.setup.load, **changes)
    kept = RunFolder.create(tmp_path / "run", replace(here, setup=replace(here.setup, load=load)))
    with pytest.raises(UsageError, match=re.escape(message)):
        _resume(kept)


def test_rounds_and_ports_out_of_range_are_not_read(here: LoadRun, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="rounds is 1000000: must be `int` <= 1000"):
        RunFolder.create(tmp_path / "rounds", replace(here, rounds=10**6)).run()
    guest = replace(here.cells[0], guest=Guest(image="app", port=70_000))
    with pytest.raises(UsageError, match=r"cells\[0\]\.guest\.port is 70000: must be `int` <= 65535"):
        RunFolder.create(tmp_path / "port", replace(here, cells=[guest])).run()


SECRET = "Bearer c2VjcmV0"  # noqa: S105 -- made up


@pytest.fixture
def paths(tmp_path: Path) -> Path:
    """Create a file of requests with a secret in a header."""
    file = tmp_path / "paths.toml"
    file.write_text(f"[[request]]\npath = '/x'\nheaders = {{Authorization = '{SECRET}'}}\n")
    return file


@pytest.fixture
def secretive(here: LoadRun, tmp_path: Path, paths: Path) -> RunFolder:
    """Create the folder of a run that sends these requests, without visits."""
    load = GuestParameters(paths=str(paths)).apply_to(here.setup.load, Runtime.PROCESS)
    return RunFolder.create(tmp_path / "run", replace(here, setup=replace(here.setup, load=load)))


def test_the_value_of_a_header_is_sent_and_not_recorded(secretive: RunFolder, paths: Path) -> None:
    seen = []

    def sending(made: Run) -> Toy:
        assert isinstance(made, LoadRun)
        seen.append(made.setup.load.requests[0].headers)
        return Toy(made)

    terminal = text_terminal()
    guest = GuestParameters(paths=str(paths))
    resume(str(secretive.folder), "toy", sending, terminal, guest=guest)
    assert seen[-2:] == [{"Authorization": SECRET}] * 2
    recorded = secretive.run()
    assert isinstance(recorded, LoadRun)
    assert recorded.setup.load.requests[0].headers == {"Authorization": REDACTED}
    written = [file.read_text() for file in secretive.folder.iterdir()]
    assert not [text for text in (*written, printed(terminal.messages)) if "c2VjcmV0" in text]


@pytest.mark.parametrize(
    ("was", "now"), [(SECRET, "Bearer other"), ("Authorization", "X-Key"), ("path = '/x'", "path = '/y'")]
)
def test_other_requests_than_a_run_began_with_are_refused(
    secretive: RunFolder, paths: Path, was: str, now: str
) -> None:
    paths.write_text(paths.read_text().replace(was, now))
    with pytest.raises(UsageError, match=rf"^PATHS={paths} holds other requests than the run began with"):
        resume(str(secretive.folder), "toy", _toy, text_terminal(), guest=GuestParameters(paths=str(paths)))


def test_a_file_of_requests_is_asked_for_where_values_are_missing(secretive: RunFolder) -> None:
    with pytest.raises(UsageError, match=r"^RESUME= needs the values of headers, .*: add PATHS=, the run's file\.$"):
        _resume(secretive)


def test_a_file_of_requests_is_refused_where_nothing_is_missing(folder: RunFolder, paths: Path) -> None:
    with pytest.raises(UsageError, match=rf"leave out PATHS={paths}\.$"):
        resume(str(folder.folder), "toy", _toy, text_terminal(), guest=GuestParameters(paths=str(paths)))


def test_a_missing_framework_is_named(folder: RunFolder) -> None:
    _changed_cell(folder, framework="gone")
    with pytest.raises(UsageError, match="no longer here"):
        _resume(folder)


def test_a_damaged_last_line_is_set_aside_and_its_visit_repeated(folder: RunFolder) -> None:
    folder.add(window(NAME, 1, None))
    with (folder.folder / VISITS).open("ab") as file:
        file.write(b'{"kind":"window","run":"2026')
    assert f"moved it to {DAMAGED}; its visit will be repeated" in _resume(folder)
    assert [one.round for one in folder.visits()] == [1, 2, 3]


def test_an_incomplete_round_of_a_duet_is_repeated(folder: RunFolder) -> None:
    was = folder.run()
    assert isinstance(was, LoadRun)
    other = replace(was.cells[0], name="other")
    folder.describe(replace(was, cells=[was.cells[0], other]))
    for one in (window(NAME, 1, None), window("other", 1, None), window(NAME, 2, None)):
        folder.add(one)
    assert f"the last round is incomplete; moved it to {DAMAGED}" in _resume(folder, _together)
    assert len(folder.visits()) == 6
    assert len((folder.folder / DAMAGED).read_bytes().splitlines()) == 1


def test_a_run_is_resumed_by_the_command_that_began_it(folder: RunFolder) -> None:
    with pytest.raises(UsageError, match=r"RESUME=.* was written by make toy\. Resume it with that command\."):
        resume(str(folder.folder), "loadtest", _toy, text_terminal())


def test_a_run_that_cannot_be_resumed_is_refused(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Toy, "why_not_resumable", Distributed.why_not_resumable)
    with pytest.raises(UsageError, match="was written by make master, whose runs cannot be resumed"):
        _resume(folder)


def test_a_run_of_a_folder_of_ones_own_is_refused(folder: RunFolder) -> None:
    was = folder.run()
    assert isinstance(was, LoadRun)
    folder.describe(replace(was, cells=[replace(was.cells[0], framework="my-app-local")]))
    with pytest.raises(UsageError, match=r"RESUME=.* is of a folder of your own, whose path is not recorded"):
        _resume(folder)


def test_a_run_of_an_older_version_is_refused_in_one_line(folder: RunFolder) -> None:
    folder.describe(replace(folder.run(), schema_version=2))
    with pytest.raises(
        UsageError, match=r"has schema version 2: must be 3\. Read it with the revision that wrote it\.$"
    ):
        resume(str(folder.folder), "toy", _toy, text_terminal())


@pytest.mark.parametrize("text", ["{", "[]", '"run"', json.dumps({"experiment": "tea"}), "\xff"])
def test_a_folder_whose_manifest_is_damaged_is_refused_in_one_line(folder: RunFolder, text: str) -> None:
    (folder.folder / "run.json").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError) as seen:
        _resume(folder)
    assert str(folder.folder) in str(seen.value)
    assert "\n" not in str(seen.value)


def test_nothing_is_resumed_while_another_run_is_in_progress(folder: RunFolder) -> None:
    before = folder.run()
    with hold_run_lock("another"), pytest.raises(UsageError, match="run another is in progress"):
        _resume(folder)
    assert folder.run() == before


def test_fargate_settings_are_refused_on_other_runtimes(folder: RunFolder) -> None:
    with pytest.raises(UsageError, match="CLUSTER= needs RUNTIME=fargate"):
        resume(str(folder.folder), "toy", _toy, text_terminal(), fargate=FargateSettings(cluster="mine"))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Redirect the results folder."""
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    return tmp_path


class _OtherToy(Toy):
    command = "other"


def _toy_or_other(made: Run) -> Toy:
    assert isinstance(made, LoadRun)
    return _OtherToy(made) if made.id == "other" else Toy(made)


def test_latest_is_the_newest_unfinished_run_of_the_command(results: Path, here: LoadRun) -> None:
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


def test_there_is_no_latest_run_if_all_are_complete(results: Path) -> None:
    RunFolder.create(results / "1-other", run([cell(NAME)], id="other"))
    with pytest.raises(UsageError, match=r"RESUME=latest: no run of make toy is unfinished\."):
        resume("latest", "toy", _toy_or_other, text_terminal())


def test_a_resumed_run_ends_by_the_time_that_is_given(folder: RunFolder) -> None:
    with pytest.raises(OutOfTimeError):
        resume(str(folder.folder), "toy", _toy, text_terminal(), ends_at_s=time.monotonic())
    assert folder.visits() == []


def test_a_run_that_is_interrupted_again_keeps_its_new_visits(folder: RunFolder) -> None:
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
