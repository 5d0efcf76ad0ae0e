"""Two runs never measure each other."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import UsageError
from common.host.run_lock import hold_run_lock, lock_file
from common.project import ROOT
from tests.support.waiting import wait_until

HOLDER = "import time\nfrom common.host.run_lock import hold_run_lock\nwith hold_run_lock('first-run'): time.sleep(60)"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has the machine."""
    with subprocess.Popen([sys.executable, "-c", HOLDER], cwd=ROOT) as process:
        wait_until(lambda: lock_file().exists() and "first-run" in lock_file().read_text())
        yield process
        process.kill()


def test_a_second_run_is_refused_with_the_first_ones_id_and_process(holder: subprocess.Popen[bytes]) -> None:
    with (
        pytest.raises(UsageError, match=rf"run first-run is under way .*process {holder.pid}"),
        hold_run_lock("second"),
    ):
        pytest.fail("it was let in")


def test_a_killed_run_keeps_nobody_out(holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.wait()
    assert "first-run" in lock_file().read_text()
    with hold_run_lock("second"):
        assert lock_file().read_text() == f"{os.getpid()} second\n"


def test_runs_one_after_the_other_are_let_in() -> None:
    for name in ("first", "second"):
        with hold_run_lock(name):
            assert name in lock_file().read_text()


def test_what_a_run_starts_does_not_hold_the_machine_after_it() -> None:
    with hold_run_lock("first"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with hold_run_lock("second"):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_folder_that_cannot_be_written_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "nowhere"))
    with pytest.raises(UsageError, match=r"nowhere.* cannot be opened"), hold_run_lock("first"):
        pytest.fail("it was let in")
