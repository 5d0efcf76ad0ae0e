"""A run's folder holds what was measured, whatever comes after."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from common.errors import FailedError, UsageError
from common.records.run import Run
from common.records.schema import decode
from common.records.summary import Summary
from common.records.window import Window
from loadtests.analysis.summary import summarise
from loadtests.runs.results import Results, refuse_used
from tests.support.records import cell, load, run, window


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    made = run([cell("a+b")])
    results = Results.create(tmp_path / "new", made)
    windows = [window("a+b", number, load()) for number in (1, 2)]
    for one in windows:
        results.add(one)
    results.finish(summarise(made, windows))
    assert results.windows() == windows
    assert decode((results.folder / "run.json").read_bytes(), Run, source="run.json") == made
    summary = decode((results.folder / "summary.json").read_bytes(), Summary, source="summary.json")
    assert summary == summarise(made, windows)


def test_each_window_is_on_disk_before_the_next(tmp_path: Path) -> None:
    results = Results.create(tmp_path, run([]))
    for number in (1, 2, 3):
        results.add(window("a+b", number, load()))
        lines = (tmp_path / "windows.jsonl").read_bytes().splitlines()
        assert [msgspec.json.decode(line, type=Window).round for line in lines] == list(range(1, number + 1))


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"OUT=.* is not empty"):
        refuse_used(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        refuse_used(tmp_path / "file" / "below")


def test_a_record_that_is_none_is_named_with_the_field_that_is_wrong() -> None:
    with pytest.raises(UsageError, match=r"old\.json is not a Summary record.*cells"):
        decode(b'{"run": "x"}', Summary, source="old.json")


@contextmanager
def _room_for(size_bytes: int) -> Iterator[None]:
    """Files may grow to ``size_bytes`` and no further, which ends a write in its middle as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_window_that_does_not_fit_is_told_and_leaves_those_before_it_whole(tmp_path: Path) -> None:
    results = Results.create(tmp_path, run([cell("a+b")]))
    results.add(window("a+b", 1, load()))
    room = (tmp_path / "windows.jsonl").stat().st_size + 100
    with _room_for(room), pytest.raises(FailedError, match=r"windows\.jsonl cannot be written: .*RESUME="):
        results.add(window("a+b", 2, load()))
    assert results.windows() == [window("a+b", 1, load())]
    results.add(window("a+b", 2, load()))
    assert [one.round for one in results.windows()] == [1, 2]


def test_a_full_disk_is_told_by_its_name(tmp_path: Path) -> None:
    results = Results.create(tmp_path, run([cell("a+b")]))
    (tmp_path / "windows.jsonl").symlink_to("/dev/full")
    with pytest.raises(FailedError, match="No space left on device"):
        results.add(window("a+b", 1, load()))


def test_a_summary_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    made = run([cell("a+b")])
    results = Results.create(tmp_path, made)
    results.finish(summarise(made, []))
    before = (tmp_path / "summary.json").read_bytes()
    with _room_for(100), pytest.raises(FailedError, match=r"summary\.json cannot be written"):
        results.finish(summarise(made, [window("a+b", 1, load())]))
    assert (tmp_path / "summary.json").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("damage", [b'{"run":"2026', b"\0\0\0\0", b'{"run":"2026\n', b"\xff\xfe"])
def test_a_damaged_last_line_is_not_read_and_is_set_aside_once(tmp_path: Path, damage: bytes) -> None:
    results = Results.create(tmp_path, run([cell("a+b")]))
    results.add(window("a+b", 1, load()))
    with (tmp_path / "windows.jsonl").open("ab") as file:
        file.write(damage)
    assert [one.round for one in results.windows()] == [1]
    assert "windows.damaged" in results.set_aside_damage()
    assert damage.strip(b"\n") in (tmp_path / "windows.damaged").read_bytes()
    assert results.set_aside_damage() == ""
    results.add(window("a+b", 2, load()))
    assert [one.round for one in results.windows()] == [1, 2]


def test_a_damaged_line_before_the_last_is_an_error_that_names_it(tmp_path: Path) -> None:
    results = Results.create(tmp_path, run([cell("a+b")]))
    (tmp_path / "windows.jsonl").write_bytes(b"{}\n" + msgspec.json.encode(window("a+b", 1, load())) + b"\n")
    with pytest.raises(UsageError, match=r"windows\.jsonl, line 1, is not a Window record"):
        results.windows()
