"""A run's folder holds what was measured, whatever comes after."""

from pathlib import Path

import msgspec
import pytest

from common.errors import UsageError
from common.records import Run, Summary, Window, decode
from loadtests.analysis import summarise
from loadtests.results import Results, refuse_used
from tests.records import cell, load, run, window


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
