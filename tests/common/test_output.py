"""An output file that cannot be written is reported in one clear error, if need be before the work begins."""

from functools import partial
from pathlib import Path

import pytest

from common.errors import UsageError
from common.output import require_writable, write_file

NO_FOLDER = r"/file is not a folder, and one is needed there"


def test_the_folders_above_a_file_are_created(tmp_path: Path) -> None:
    write_file(tmp_path / "new" / "folder" / "page.html", "text")
    assert (tmp_path / "new" / "folder" / "page.html").read_text() == "text"


def test_a_file_that_cannot_be_written_is_refused_with_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=NO_FOLDER):
        write_file(tmp_path / "file" / "page.html", "")
    with pytest.raises(UsageError, match=NO_FOLDER):
        require_writable(tmp_path / "file" / "page.html")
    for attempt in (require_writable, partial(write_file, text="")):
        with pytest.raises(UsageError, match=r"OUT=.* cannot be written: Is a directory\. Choose another place\."):
            attempt(tmp_path)


def test_the_check_leaves_nothing_behind_and_changes_nothing(tmp_path: Path) -> None:
    kept, new = tmp_path / "kept.html", tmp_path / "new.html"
    kept.write_text("text")
    require_writable(kept)
    require_writable(new)
    assert kept.read_text() == "text"
    assert not new.exists()
