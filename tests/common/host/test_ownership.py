"""An owner is judged only where its PID means the same process."""

import os
import subprocess
from pathlib import Path

from common.host.ownership import is_alive, owner_id, place_id


def _proc(folder: Path, boot: str) -> Path:
    """Write the files of a /proc, whose PID namespace is the inode of an empty file."""
    for file, text in (("sys/kernel/random/boot_id", f"{boot}\n"), ("self/ns/pid", "")):
        (folder / file).parent.mkdir(parents=True)
        (folder / file).write_text(text)
    return folder


def test_place_is_the_boot_and_the_namespace_of_pids(tmp_path: Path) -> None:
    first, second = _proc(tmp_path / "a", "5e0c"), _proc(tmp_path / "b", "5e0c")
    assert place_id(proc=first) == f"5e0c:{(first / 'self/ns/pid').stat().st_ino}"
    assert place_id(proc=second) != place_id(proc=first)
    assert place_id() == place_id()


def test_owner_is_alive_until_it_exits() -> None:
    with subprocess.Popen(["true"]) as exited:
        orphan = owner_id(exited.pid)
    reused = f"{os.getpid()}:1"
    assert [is_alive(owner) for owner in (owner_id(os.getpid()), orphan, reused)] == [True, False, False]
