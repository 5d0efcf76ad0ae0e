"""Temporary folders are removed even after a kill; what cannot be created or written is one clear error."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from common.errors import UsageError
from common.host.folders import (
    make_folder,
    orphaned_folders,
    remove_orphaned_folders,
    require_writable,
    temporary_folder,
    write_file,
    write_files,
)
from common.host.ownership import owner_id, place_id
from common.project import PROJECT, ROOT

OWNER = """
import sys
from common.host.folders import temporary_folder
with temporary_folder("build") as folder:
    (folder / "content").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""
NO_FOLDER = r"/file is not a folder, and one is needed there"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, of this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def _exited_owner() -> str:
    with subprocess.Popen(["true"]) as process:
        return owner_id(process.pid).replace(":", ".")


def test_folder_is_empty_private_and_removed_afterwards(place: Path) -> None:
    with temporary_folder("build") as folder:
        assert list(place.iterdir()) == [folder]
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "content").write_text("x")
    assert list(place.iterdir()) == []


def test_folder_is_removed_when_the_block_raises(place: Path) -> None:
    with pytest.raises(ZeroDivisionError), temporary_folder("build"):
        raise ZeroDivisionError
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_folder_of_a_killed_process_is_removed_by_the_next(place: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        orphan = Path(owner.stdout.readline().strip())
        assert orphan.parent == place
        with temporary_folder("build"):
            assert (orphan / "content").exists(), "its owner is alive"
        owner.send_signal(number)
    assert orphan.exists()
    with temporary_folder("conformance"):
        assert not orphan.exists()


def test_orphans_are_given_to_the_function_that_reclaims_them(tmp_path: Path) -> None:
    orphan = tmp_path / "root" / f"{_exited_owner()}-resources-x"
    orphan.mkdir(parents=True)
    reclaimed: list[Path] = []
    with temporary_folder("resources", root=orphan.parent, reclaim=reclaimed.append):
        assert reclaimed == [orphan]


def test_folders_of_others_are_kept(place: Path) -> None:
    owner = _exited_owner()
    (place / "target").mkdir()
    (place / f"{PROJECT}-{owner}-link").symlink_to(place / "target")
    (place / f"{PROJECT}-{owner}-file").touch()
    for name in (f"{PROJECT}-notes", f"other-{owner}-build-x", f"{PROJECT}-12.x-build", f"{owner}-build-x"):
        (place / name).mkdir()
    before = set(place.iterdir())
    with temporary_folder("build"):
        pass
    assert set(place.iterdir()) == before


def test_orphan_of_this_place_alone_is_removed(place: Path) -> None:
    here, elsewhere = place_id().replace(":", "."), "other.boot.1"
    owner = _exited_owner()
    folders = [place / f"{PROJECT}-{owner}{where}-build-x" for where in (f".{here}", "", f".{elsewhere}")]
    for folder in folders:
        folder.mkdir()
    remove_orphaned_folders()
    assert list(place.iterdir()) == folders[2:]


def test_folder_names_its_owner_and_the_place(place: Path) -> None:
    with temporary_folder("build") as folder:
        named = f"{owner_id(os.getpid())}:{place_id()}".replace(":", ".")
        assert folder.name.startswith(f"{PROJECT}-{named}-build-")
        assert folder.parent == place


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_orphan_of_another_user_is_kept(place: Path) -> None:
    orphan = place / f"{PROJECT}-{_exited_owner()}-build-x"
    orphan.mkdir()
    assert orphaned_folders() == [orphan]
    os.chown(orphan, 65534, 65534)
    assert orphaned_folders() == []


def test_place_that_does_not_exist_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    with (
        pytest.raises(UsageError, match=r"^the folder /proc/nowhere cannot be created: [^\n]*$"),
        temporary_folder("x"),
    ):
        pytest.fail("a folder was created")
    assert list(tmp_path.iterdir()) == []


def test_folder_is_made_with_its_parents_once(tmp_path: Path) -> None:
    for _ in range(2):
        assert make_folder(tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("below", ["", "build", "build/deeper"])
def test_file_in_the_way_of_a_folder_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / ".cache").touch()
    with pytest.raises(UsageError, match=rf"^{tmp_path}/\.cache is not a folder, and one is needed there\. Remove"):
        make_folder(tmp_path / ".cache" / below)


def test_dangling_link_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / ".cache").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=rf"^{tmp_path}/\.cache is not a folder"):
        make_folder(tmp_path / ".cache" / "build")


def test_name_of_a_folder_that_is_too_long_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^the folder /[^\n]* cannot be created: File name too long\.$"):
        make_folder(tmp_path / ("x" * 256))


def test_what_a_killed_process_left_is_removed_by_name_alone(place: Path) -> None:
    orphan = place / f"{PROJECT}-{_exited_owner()}-build-x"
    (orphan / "below").mkdir(parents=True)
    with temporary_folder("build") as mine:
        remove_orphaned_folders()
        assert list(place.iterdir()) == [mine]


def test_the_folders_above_a_file_are_created(tmp_path: Path) -> None:
    write_file(tmp_path / "new" / "folder" / "page.html", "text")
    assert (tmp_path / "new" / "folder" / "page.html").read_text() == "text"


def test_a_file_that_cannot_be_written_is_refused_with_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=NO_FOLDER):
        write_file(tmp_path / "file" / "page.html", "")
    with pytest.raises(UsageError, match=NO_FOLDER):
        require_writable(tmp_path / "file" / "page.html")
    for attempt in (require_writable, partial(write_file, content="")):
        with pytest.raises(UsageError, match=r"cannot be written: Is a directory\. Mend that, or choose"):
            attempt(tmp_path)


def test_the_check_leaves_nothing_behind_and_changes_nothing(tmp_path: Path) -> None:
    kept, new = tmp_path / "kept.html", tmp_path / "new.html"
    kept.write_text("text")
    require_writable(kept)
    require_writable(new)
    assert kept.read_text() == "text"
    assert not new.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place))
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(("umount", str(place)), check=True)


def test_a_full_disk_leaves_files_as_they_were(small_disk: Path) -> None:
    report = small_disk / "report.html"
    write_file(report, "the one before")
    with pytest.raises(UsageError, match=f"{report} cannot be written: No space left on device"):
        write_file(report, "x" * 100_000)
    assert report.read_text() == "the one before"
    assert [*small_disk.iterdir()] == [report]


def test_of_several_files_none_is_changed_if_there_is_no_room_for_all(small_disk: Path) -> None:
    first, second = small_disk / "index.html", small_disk / "stacks" / "falcon.html"
    write_files({first: "a", second: "b"})
    with pytest.raises(UsageError, match=f"{second} cannot be written: No space left on device"):
        write_files({first: "new", second: "x" * 100_000})
    assert (first.read_text(), second.read_text()) == ("a", "b")
    assert {*small_disk.rglob("*")} == {first, second.parent, second}


def test_a_file_is_on_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, seen = tmp_path / "page", list[bool]()
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(file.exists()))
    write_file(file, "a")
    assert (seen, file.read_text()) == ([False], "a")


def test_a_file_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "badge"
    write_file(file, "a")
    file.chmod(0o600)
    write_file(file, b"b")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"b", 0o600)


def test_a_link_leads_to_the_file_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    write_file(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "text"


def test_what_is_no_plain_file_is_written_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_file(pipe, "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert pipe.is_fifo()
