"""An owner is judged only where its PID means the same process."""

import os
import subprocess
from pathlib import Path

import pytest

from common.host.ownership import is_alive, is_orphan, owner_id, place_id

HERE = "machine:boot:1"


def _proc(folder: Path, boot: str) -> Path:
    """Write the files of a /proc, whose PID namespace is the inode of an empty file."""
    for file, text in (("sys/kernel/random/boot_id", f"{boot}\n"), ("self/ns/pid", "")):
        (folder / file).parent.mkdir(parents=True)
        (folder / file).write_text(text)
    return folder


def test_place_is_the_machine_the_boot_and_the_namespace_of_pids(tmp_path: Path) -> None:
    first, second = _proc(tmp_path / "a", "5e0c-11"), _proc(tmp_path / "b", "5e0c-11")
    (tmp_path / "machine-id").write_text("0123456789abcdef" * 2 + "\n")
    namespace = (first / "self/ns/pid").stat().st_ino
    assert place_id(proc=first, machine_id=tmp_path / "machine-id") == f"3eb1bd439947:5e0c:{namespace}"
    assert place_id(proc=second) != place_id(proc=first)
    assert place_id() == place_id()


@pytest.mark.parametrize("text", [None, "", "uninitialized\n"])
def test_a_machine_without_an_id_is_unknown(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "machine-id").write_text(text)
    proc = _proc(tmp_path / "proc", "5e0c")
    assert place_id(proc=proc, machine_id=tmp_path / "machine-id").startswith(":5e0c:")


@pytest.mark.parametrize(
    ("alive", "place", "here", "expected"),
    [
        (False, HERE, HERE, True),
        (True, HERE, HERE, False),
        (False, None, HERE, True),  # left by an earlier version
        (True, None, HERE, False),
        (False, "machine:boot:2", HERE, False),  # in a container with the same engine or folder
        (False, ":boot:2", HERE, False),
        (True, "machine:before:1", HERE, True),  # before a reboot
        (False, "other:boot:1", HERE, False),  # on another machine with the same engine or folder
        (False, "other:before:1", HERE, False),
        (False, ":before:1", HERE, False),
        (False, ":before:1", ":boot:1", False),
        (False, "before:1", HERE, False),
        (False, "", HERE, False),  # not written yet
    ],
)
def test_orphan_is_what_belongs_to_an_owner_that_is_known_to_have_exited(
    place: str | None, here: str, *, alive: bool, expected: bool
) -> None:
    owner = owner_id(os.getpid()) if alive else f"{os.getpid()}:1"
    assert is_orphan(owner, place, here=here) is expected


def test_owner_is_alive_until_it_exits() -> None:
    with subprocess.Popen(["true"]) as exited:
        orphan = owner_id(exited.pid)
    reused = f"{os.getpid()}:1"
    assert [is_alive(owner) for owner in (owner_id(os.getpid()), orphan, reused)] == [True, False, False]
