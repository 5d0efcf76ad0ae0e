"""A run's folder keeps every record that was written, whatever fails later."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from common.errors import FailedError, UsageError
from common.records.schema import decode
from common.records.summary import Summary
from loadtests.campaign import store
from loadtests.campaign.catalog import decode_visit
from loadtests.campaign.store import (
    DAMAGED,
    MANIFEST,
    VISITS,
    RunFolder,
    find_run_folder,
    is_run_folder,
    require_unused,
    run_folders,
)
from loadtests.experiments.loadtest.report import summarise
from tests.support.records import cell, load, run, window


@pytest.fixture
def made(tmp_path: Path) -> RunFolder:
    """Create the folder of a run of one cell without visits."""
    return RunFolder.create(tmp_path / "run", run([cell("a+b")]))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    begun = run([cell("a+b")])
    folder = RunFolder.create(tmp_path / "new", begun)
    windows = [window("a+b", 1, load()), window("a+b", 2, load())]
    for visit in windows:
        folder.add(visit)
    folder.finish(summarise(begun, windows))
    assert folder.visits() == windows
    made = folder.run()
    assert made == replace(begun, manifest_sha256=made.manifest_sha256)
    summary = decode((folder.folder / "summary.json").read_bytes(), Summary, what="summary", source="summary.json")
    assert summary == summarise(begun, windows)


def test_each_visit_is_on_disk_before_the_next(made: RunFolder) -> None:
    for number in (1, 2, 3):
        made.add(window("a+b", number, load()))
        lines = (made.folder / VISITS).read_bytes().splitlines()
        assert [decode_visit(line, source=VISITS).round for line in lines] == list(range(1, number + 1))


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"OUT=.* is not empty"):
        require_unused(tmp_path, named="OUT=here")


def test_a_new_and_an_empty_folder_are_accepted(tmp_path: Path) -> None:
    require_unused(tmp_path, named="OUT=here")
    require_unused(tmp_path / "new" / "below", named="OUT=here")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_refused_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for below in ("file", "file/below"):
        with pytest.raises(UsageError, match=r"OUT=here cannot be written: .*\. Choose a new or an empty folder"):
            require_unused(tmp_path / below, named="OUT=here")


@pytest.mark.parametrize("name", ["link", "link/below", "a" * 256])
def test_a_link_to_nowhere_and_an_impossible_name_are_no_folders(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to("nowhere/at/all")
    with pytest.raises(UsageError, match="OUT=here cannot be written: "):
        require_unused(tmp_path / name, named="OUT=here")
    assert [one.name for one in tmp_path.iterdir()] == ["link"]


@pytest.mark.parametrize("folder", ["/sys/mine", "/proc/mine", "/proc/1"])
def test_a_folder_is_refused_where_the_file_system_takes_no_files(folder: str) -> None:
    with pytest.raises(UsageError, match="OUT=here cannot be written"):
        require_unused(Path(folder), named="OUT=here")


def test_a_folder_that_cannot_be_made_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FailedError, match=r"file/below/below cannot be written: Not a directory"):
        RunFolder.create(tmp_path / "file" / "below", run([]))


@contextmanager
def _room_for(size_bytes: int) -> Iterator[None]:
    """Limit files to ``size_bytes``, which interrupts a write as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_visit_that_does_not_fit_is_reported_and_earlier_ones_stay_intact(made: RunFolder) -> None:
    made.add(window("a+b", 1, load()))
    room = (made.folder / VISITS).stat().st_size + 100
    with _room_for(room), pytest.raises(FailedError, match=r"visits\.jsonl cannot be written: .*resume the run"):
        made.add(window("a+b", 2, load()))
    assert made.visits() == [window("a+b", 1, load())]
    made.add(window("a+b", 2, load()))
    assert [one.round for one in made.visits()] == [1, 2]


def test_a_full_disk_is_reported(made: RunFolder) -> None:
    (made.folder / VISITS).symlink_to("/dev/full")
    with pytest.raises(FailedError, match="No space left on device"):
        made.add(window("a+b", 1, load()))


def test_a_summary_that_does_not_fit_leaves_the_previous_one(made: RunFolder) -> None:
    made.finish(summarise(run([cell("a+b")]), []))
    before = (made.folder / "summary.json").read_bytes()
    with _room_for(100), pytest.raises(FailedError, match=r"summary\.json cannot be written"):
        made.finish(summarise(run([cell("a+b")]), [window("a+b", 1, load())]))
    assert (made.folder / "summary.json").read_bytes() == before
    assert not list(made.folder.glob(".*"))


def test_a_part_of_a_file_that_a_kill_left_is_removed_with_the_next_file(made: RunFolder) -> None:
    (made.folder / ".0123456789abcdef.part").write_text("half")
    made.describe(made.run())
    assert [file.name for file in made.folder.iterdir()] == [MANIFEST]


@pytest.mark.parametrize("damage", [b'{"run":"2026', b"\0\0\0\0", b'{"run":"2026\n', b"\xff\xfe"])
def test_a_damaged_last_line_is_not_read_and_is_set_aside_once(made: RunFolder, damage: bytes) -> None:
    made.add(window("a+b", 1, load()))
    with (made.folder / VISITS).open("ab") as file:
        file.write(damage)
    assert [one.round for one in made.visits()] == [1]
    assert DAMAGED in made.set_aside_damage()
    assert damage.strip(b"\n") in (made.folder / DAMAGED).read_bytes()
    assert made.set_aside_damage() == ""
    made.add(window("a+b", 2, load()))
    assert [one.round for one in made.visits()] == [1, 2]


def test_a_damaged_line_before_the_last_is_an_error_that_names_it(made: RunFolder) -> None:
    (made.folder / VISITS).write_bytes(b"{}\n" + msgspec.json.encode(window("a+b", 1, load())) + b"\n")
    with pytest.raises(UsageError, match=r"visits\.jsonl, line 1, is not a valid visit of schema version 3"):
        made.visits()


def test_a_whole_last_line_that_is_no_visit_is_an_error_and_not_set_aside(made: RunFolder) -> None:
    """No interruption leaves one behind."""
    (made.folder / VISITS).write_bytes(b'{"kind": "tea"}\n')
    with pytest.raises(UsageError, match=r'line 1, is not a valid visit of .*: kind is "tea": must be one of window, '):
        made.visits()
    assert made.set_aside_damage() == ""


def test_the_last_visits_are_set_aside_to_be_repeated(made: RunFolder) -> None:
    for number in (1, 2, 3):
        made.add(window("a+b", number, load()))
    assert DAMAGED in made.set_aside_last(2)
    assert [one.round for one in made.visits()] == [1]
    kept = (made.folder / DAMAGED).read_bytes().splitlines()
    assert [decode_visit(line, source=VISITS).round for line in kept] == [2, 3]


def test_a_run_without_visits_has_none(made: RunFolder) -> None:
    assert made.visits() == []
    assert made.set_aside_damage() == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a valid run of schema version 3"),
        ("", "is not a valid run of schema version 3"),
        ("\xff", "is not a valid run of schema version 3"),
        ("{}", "is not a valid run of schema version 3"),
        ('{"schema_version": 2, "verb": "latency", "run": {}}', r"schema version 2: must be 3\."),
        ('{"schema_version": 3, "experiment": "tea"}', r'experiment is "tea": must be one of .*loadtest.*\.$'),
        ('{"schema_version": 9, "experiment": "loadtest"}', r"schema version 9: must be 3\."),
    ],
)
def test_a_manifest_that_cannot_be_read_is_named_in_one_line(made: RunFolder, text: str, message: str) -> None:
    (made.folder / "run.json").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=message) as seen:
        made.run()
    assert str(made.folder) in str(seen.value)
    assert "\n" not in str(seen.value)


def test_a_folder_without_a_manifest_is_not_a_run(tmp_path: Path) -> None:
    assert not is_run_folder(tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        RunFolder(folder=tmp_path).run()


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Redirect the results folder."""
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    return tmp_path


def _make(folder: Path) -> RunFolder:
    return RunFolder.create(folder, run([cell("a+b")], id=folder.name))


def test_runs_are_found_by_name_newest_first_also_one_level_below(results: Path) -> None:
    for name in ("20260101-a", "kept/20260103-c", "20260102-b"):
        _make(results / name)
    (results / "notes").mkdir()
    (results / "notes" / "run.txt").touch()
    names = [one.folder.name for one in run_folders(results)]
    assert names == ["20260103-c", "20260102-b", "20260101-a"]


def test_a_run_is_found_by_its_id_and_by_its_folder(results: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    _make(results / "20260101-a")
    elsewhere = _make(tmp_path_factory.mktemp("elsewhere") / "mine")
    assert find_run_folder("20260101-a", variable="RUN").folder == results / "20260101-a"
    assert find_run_folder(str(elsewhere.folder), variable="RUN") == elsewhere


def test_a_run_is_named_by_its_id_if_that_finds_it(results: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "mine"
    assert _make(results / "20260101-a").name == "20260101-a"
    assert _make(elsewhere).name == str(elsewhere)


@pytest.mark.parametrize("text", ["", "yesterday"])
def test_an_unknown_run_is_refused_and_the_newest_are_listed(results: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid RUN=.*: must be a run's folder\."):
        find_run_folder(text, variable="RUN")
    for number in range(7):
        _make(results / f"2026010{number}-a")
    with pytest.raises(UsageError, match=r"or one of 20260106-a, .*, 20260102-a\.") as seen:
        find_run_folder(text, variable="RUN")
    assert "20260101-a" not in str(seen.value)


def test_a_run_one_level_below_is_listed_so_that_it_is_found(results: Path) -> None:
    """As ``OUT=`` with ``REPEAT=`` makes them."""
    made = _make(results / "kept" / "20260103-c")
    with pytest.raises(UsageError, match=r"or one of kept/20260103-c\."):
        find_run_folder("yesterday", variable="RUN")
    assert find_run_folder("kept/20260103-c", variable="RUN") == made


def test_the_manifest_is_readable_by_people(made: RunFolder) -> None:
    text = (made.folder / "run.json").read_text()
    assert text.count("\n") > 20
    assert json.loads(text)["experiment"] == "loadtest"
