"""Only one run at a time measures on a machine, whoever starts it and whatever lies in the lock's place."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.errors import UsageError
from common.host.run_lock import LOCK, VARIABLE, hold_run_lock, lock_file
from common.project import ROOT
from tests.support.waiting import wait_until

HOLDER = "import time\nfrom common.host.run_lock import hold_run_lock\nwith hold_run_lock('first-run'): time.sleep(60)"
NOBODY = 65534


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lock file of this test, which does not exist yet."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "run.lock"))
    return tmp_path / "run.lock"


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the run lock."""
    with subprocess.Popen([sys.executable, "-c", HOLDER], cwd=ROOT) as process:
        wait_until(lambda: lock_file().exists() and "first-run" in lock_file().read_text())
        yield process
        process.kill()


def test_second_run_is_refused_with_id_and_process_of_the_first(holder: subprocess.Popen[bytes]) -> None:
    with (
        pytest.raises(UsageError, match=rf"run first-run is in progress .*process {holder.pid}"),
        hold_run_lock("second"),
    ):
        pytest.fail("the second run was let in")


def test_killed_run_does_not_lock_others_out(holder: subprocess.Popen[bytes], file: Path) -> None:
    holder.kill()
    holder.wait()
    assert "first-run" in file.read_text()
    with hold_run_lock("second"):
        assert file.read_text() == f"{os.getpid()} second\n"


def test_successive_runs_are_let_in(file: Path) -> None:
    for name in ("first", "second"):
        with hold_run_lock(name):
            assert name in file.read_text()


def test_child_process_of_a_run_does_not_keep_the_lock() -> None:
    with hold_run_lock("first"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with hold_run_lock("second"):
            pass
    finally:
        child.kill()
        child.wait()


def test_lock_is_the_same_in_every_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE)
    for name in ("XDG_RUNTIME_DIR", "TMPDIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    assert lock_file() == LOCK


def _refused() -> None:
    with pytest.raises(UsageError, match=rf"^the run lock {lock_file()} cannot be used: [^\n]*$"), hold_run_lock("run"):
        pytest.fail("the run was let in")


def test_lock_file_that_cannot_be_opened_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere" / "run.lock"))
    _refused()


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_link_to_another_file_is_refused_and_the_file_is_kept(
    file: Path, tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    target = tmp_path / "precious"
    target.write_text("content")
    link(file, target)
    _refused()
    assert target.read_text() == "content"


def test_dangling_link_creates_nothing(file: Path, tmp_path: Path) -> None:
    file.symlink_to(tmp_path / "target")
    _refused()
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("create", [os.mkfifo, os.mkdir])
def test_fifo_or_folder_is_refused(file: Path, create: Callable[[Path], None]) -> None:
    create(file)
    _refused()


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"12 \xff\xfe\x00run", "run \ufffd\ufffd?run is in progress on this machine (process 12)"),
        (b"1\x1b[2J2 a\rb\x9b1m\xe2\x80\xae", "run a?b\ufffd1m? is in progress on this machine (process 1?[2J2)"),
        (b"12 " + b"x" * 100_000, "x" * 197 + " is in progress"),
        (b"", "run (just begun) is in progress on this machine (process unknown)"),
        (b"12 first\nsecond", "run first is in progress"),
    ],
)
def test_foreign_content_is_shown_in_one_short_printable_line(file: Path, content: bytes, shown: str) -> None:
    file.write_bytes(content)
    with file.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UsageError) as refusal, hold_run_lock("second"):
            pytest.fail("the second run was let in")
    assert shown in str(refusal.value)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 400


def test_file_that_only_its_owner_could_write_is_opened_to_all(file: Path) -> None:
    file.touch(mode=0o644)
    with hold_run_lock("run"):
        assert file.stat().st_mode & 0o777 == 0o666


@contextmanager
def _effective_user(uid: int) -> Iterator[None]:
    own = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(own)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(("first", "second"), [(0, NOBODY), (NOBODY, 0)])
def test_file_of_one_user_is_usable_by_the_others(monkeypatch: pytest.MonkeyPatch, first: int, second: int) -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o1777)
    monkeypatch.setenv(VARIABLE, str(folder / "run.lock"))
    umask = os.umask(0o077)
    try:
        for user in (first, second):
            with _effective_user(user), hold_run_lock("run"):
                assert lock_file().stat().st_uid == first
    finally:
        os.umask(umask)
        shutil.rmtree(folder)


def _clean(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the recipe of ``make clean`` on a folder, with a Python that has nothing installed."""
    line = [sys.executable, "-S", "-B", "-m", "common.host.run_lock", "clean", "rm", "-rf", str(folder)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("holder")
def test_nothing_is_cleaned_while_a_run_is_under_way(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    done = _clean(tmp_path / "results")
    assert done.returncode == 2
    assert re.fullmatch(
        r"error: run first-run is in progress .*make clean would remove what it works with\. .*\n", done.stderr
    )
    assert (tmp_path / "results").is_dir()


def test_without_a_run_everything_is_cleaned(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    done = _clean(tmp_path / "results")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "results").exists()


def test_make_clean_asks_for_the_machine_first() -> None:
    recipe = re.search(r"^clean:.*\n\t(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert "python3 -B -m common.host.run_lock clean rm -rf " in recipe[1]
