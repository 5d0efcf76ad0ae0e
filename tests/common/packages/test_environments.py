"""Environments hold one stack at its locked versions, and none is used half done; interpreters are found by version."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest

from common.catalog.stacks import Stack
from common.errors import FailedError, UsageError
from common.packages import environments
from common.packages.environments import compiled_packages, environment
from common.packages.indexes import run_uv
from common.packages.locks import lock
from tests.support.toy_packages import native, only_wheels, write_framework, write_source, write_wheel

DEADLINE_S = 30


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A locked framework whose packages exist only in ``tmp_path / "wheels"``."""
    wheels = only_wheels(tmp_path, monkeypatch)
    write_wheel(wheels, "toy", "1.0", "base>=1")
    write_wheel(wheels, "base", "1.0")
    toy = write_framework(tmp_path / "frameworks" / "toy", "toy>=1")
    lock(toy)
    return native(toy)


def output(program: Path, *arguments: str) -> str:
    """Return what a program prints."""
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def test_environment_contains_exactly_what_is_locked(stack: Stack, tmp_path: Path) -> None:
    folder = environment(stack, root=tmp_path / "environments")
    assert folder.parent == tmp_path / "environments"
    assert folder.name.startswith("toy+native-")
    assert output(folder / "bin" / "toy") == "1.0"
    packages = next(folder.glob("lib/python*/site-packages"))
    assert {info.name for info in packages.glob("*.dist-info")} == {"toy-1.0.dist-info", "base-1.0.dist-info"}
    assert list(packages.glob("__pycache__/toy.*.pyc"))
    assert output(folder / "bin" / "python", "-c", "import sys; print(sys.version)") == sys.version


def test_packages_that_had_no_wheel_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = only_wheels(tmp_path, monkeypatch)
    write_wheel(wheels, "toy", "1.0", "base>=1")
    write_source(wheels, "base", "1.0")
    toy = write_framework(tmp_path / "frameworks" / "toy", "toy>=1")
    lock(toy)
    folder = environment(native(toy), root=tmp_path / "environments")
    assert output(folder / "bin" / "toy") == "1.0"
    assert compiled_packages(folder) == ["base==1.0"]


def test_without_such_packages_none_is_named(stack: Stack, tmp_path: Path) -> None:
    folder = environment(stack, root=tmp_path / "environments")
    assert compiled_packages(folder) == []
    (folder / "compiled").unlink()
    assert compiled_packages(folder) == [], "it was made by an earlier revision"


def test_environments_that_were_not_used_for_longest_make_room(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was used within a day stays, as a run may be using it."""
    root, now = tmp_path / "environments", time.time()
    for name, days in (("month", 30), ("week", 7), ("hour", 0.04)):
        (root / name / "lib").mkdir(parents=True)
        (root / name / "complete").write_text("1000000")
        os.utime(root / name / "complete", (now - days * 86400,) * 2)
    monkeypatch.setattr(environments, "LIMIT_BYTES", 1_000_000)
    fresh = environment(stack, root=root)
    assert {folder.name for folder in root.iterdir() if folder.is_dir()} == {fresh.name, "hour"}
    assert int((fresh / "complete").read_text()) > 1000
    monkeypatch.setattr(environments, "LIMIT_BYTES", 0)
    assert environment(stack, root=root) == fresh


def test_environments_that_killed_runs_left_incomplete_are_removed(stack: Stack, tmp_path: Path) -> None:
    """One that is being created stays, and so does one whose creation began within a day."""
    root, now = tmp_path / "environments", time.time()
    for name, days in (("left", 2), ("locked", 2), ("begun", 0)):
        (root / name / "lib").mkdir(parents=True)
        os.utime(root / name, (now - days * 86400,) * 2)
    with environments._locked(root / "locked"):
        fresh = environment(stack, root=root)
    assert {folder.name for folder in root.iterdir() if folder.is_dir()} == {fresh.name, "locked", "begun"}


def test_environment_that_is_being_removed_is_not_taken_for_complete(stack: Stack, tmp_path: Path) -> None:
    folder = environment(stack, root=tmp_path / "environments")
    with ThreadPoolExecutor() as pool:
        with environments._locked(folder):
            second = pool.submit(environment, stack, root=tmp_path / "environments")
            with pytest.raises(TimeoutError):
                second.result(timeout=0.5)
            shutil.rmtree(folder)
        assert output(second.result(timeout=DEADLINE_S) / "bin" / "toy") == "1.0"


def test_use_of_an_environment_is_remembered(stack: Stack, tmp_path: Path) -> None:
    complete = environment(stack, root=tmp_path / "environments") / "complete"
    os.utime(complete, (0, 0))
    environment(stack, root=tmp_path / "environments")
    assert complete.stat().st_mtime > time.time() - 60


def test_second_call_does_not_run_uv(stack: Stack, tmp_path: Path) -> None:
    first = environment(stack, root=tmp_path / "environments")
    with mock.patch.object(environments, "run_uv", side_effect=AssertionError):
        assert environment(stack, root=tmp_path / "environments") == first


def test_changed_lock_or_python_gives_another_environment(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = environment(stack, root=tmp_path / "environments")
    write_wheel(tmp_path / "wheels", "base", "2.0")
    lock(stack.framework, upgrade=True)
    second = environment(stack, root=tmp_path / "environments")
    monkeypatch.setattr(environments, "_version", lambda _: "another")
    third = environment(stack, root=tmp_path / "environments")
    assert len({first, second, third}) == 3
    assert output(second / "bin" / "python", "-c", "import base; print(base.version)") == "2.0"


def test_incomplete_environment_is_created_anew(stack: Stack, tmp_path: Path) -> None:
    folder = environment(stack, root=tmp_path / "environments")
    (folder / "complete").unlink()
    (folder / "bin" / "toy").unlink()
    (folder / "leftover").touch()
    assert environment(stack, root=tmp_path / "environments") == folder
    assert output(folder / "bin" / "toy") == "1.0"
    assert not (folder / "leftover").exists()


def test_concurrent_calls_create_the_environment_once(stack: Stack, tmp_path: Path) -> None:
    with mock.patch.object(environments, "run_uv", wraps=run_uv) as uv, ThreadPoolExecutor() as pool:
        folders = list(pool.map(lambda _: environment(stack, root=tmp_path / "environments"), range(4)))
    assert len(set(folders)) == 1
    assert [call.args[0] for call in uv.call_args_list] == ["venv", "pip"]


def test_environment_of_a_killed_run_is_not_taken_for_complete(stack: Stack, tmp_path: Path) -> None:
    """The child is killed after it has created the folder and before it installs packages."""
    code = (
        "import sys, time; from pathlib import Path; from common.packages import environments as e\n"
        "from common.catalog.frameworks import Framework; from tests.support.toy_packages import native\n"
        "run_uv = e.run_uv\n"
        "def stop_before_installing(*a, **k):\n"
        "    if a[0] == 'pip': print('created', flush=True); time.sleep(60)\n"
        "    run_uv(*a, **k)\n"
        "e.run_uv = stop_before_installing\n"
        "e.environment(native(Framework.load(Path(sys.argv[1]))), root=Path(sys.argv[2]))\n"
    )
    root = tmp_path / "environments"
    arguments = [sys.executable, "-c", code, str(stack.framework.folder), str(root)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "created\n"
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert next(root.glob("toy+native-*")).is_dir()
    assert output(environment(stack, root=root) / "bin" / "toy") == "1.0"


def test_installer_that_outlives_its_killed_caller_is_waited_for(stack: Stack, tmp_path: Path) -> None:
    """If only the caller held the lock, a second caller would delete the folder to which the first one's uv writes."""
    code = (
        "import sys; from pathlib import Path; from common.packages import environments as e, indexes\n"
        "from common.catalog.frameworks import Framework; from tests.support.toy_packages import native\n"
        "indexes.sys.executable = sys.argv[3]\n"
        "e.environment(native(Framework.load(Path(sys.argv[1]))), Path(sys.argv[4]), root=Path(sys.argv[2]))\n"
    )
    root, slow_uv, release = tmp_path / "environments", tmp_path / "slow-uv", tmp_path / "release"
    started = tmp_path / "started"
    slow_uv.write_text(
        f"#!/bin/sh\n[ $2 = uv ] || exit 0\necho $$ > {started}\nwhile [ ! -e {release} ]; do sleep 0.02; done\n"
    )
    slow_uv.chmod(0o755)
    arguments = [sys.executable, "-c", code, *map(str, (stack.framework.folder, root, slow_uv, sys.executable))]
    with subprocess.Popen(arguments) as child:
        _wait_for(lambda: started.exists() and bool(started.read_text().strip()))
        child.kill()
    with ThreadPoolExecutor() as pool:
        second = pool.submit(environment, stack, root=root)
        try:
            with pytest.raises(TimeoutError):
                second.result(timeout=0.5)
        finally:
            release.touch()
        assert output(second.result(timeout=DEADLINE_S) / "bin" / "toy") == "1.0"


def test_stale_lock_is_refused_before_an_environment_is_created(stack: Stack, tmp_path: Path) -> None:
    stack.framework.lock.unlink()
    with pytest.raises(UsageError, match=r"is missing\. Run make lock FRAMEWORK=toy"):
        environment(stack, root=tmp_path / "environments")
    assert not (tmp_path / "environments").exists()


def test_package_that_was_changed_after_locking_is_refused(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    write_wheel(tmp_path / "wheels", "toy", "1.0", "base>=1", "base<9")
    with pytest.raises(
        FailedError, match=r"^The environment of toy\+native could not be created: uv exited[^\n]*[Hh]ash[^\n]*$"
    ):
        environment(stack, root=tmp_path / "environments")
    assert not list((tmp_path / "environments").glob("*/complete"))


def test_lock_without_hashes_is_refused(stack: Stack, tmp_path: Path) -> None:
    stack.framework.lock.write_text("toy==1.0\n")
    with pytest.raises(FailedError, match=r"could not be created: uv exited.*[Hh]ash"):
        environment(stack, root=tmp_path / "environments")


@pytest.mark.parametrize("python", ["/nowhere/python3", "/etc/passwd"])
def test_python_that_cannot_be_run_is_named(stack: Stack, tmp_path: Path, python: str) -> None:
    with pytest.raises(UsageError, match=f"^cannot run the Python interpreter {python}: "):
        environment(stack, Path(python), root=tmp_path / "environments")


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_file_in_the_place_of_the_folder_is_named(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / ".cache").touch()
    with pytest.raises(UsageError, match=r"/\.cache is not a folder, and one is needed there"):
        environment(stack, root=tmp_path / ".cache" / "environments")
