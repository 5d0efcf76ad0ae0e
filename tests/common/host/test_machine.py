"""A machine is described by what it shows, and what it does not show is unknown."""

import gzip
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from common.host import machine as module
from common.host.machine import cpu_identity, machine, python_optimisations

KERNEL = "6.1.0-test"
CONFIG = "CONFIG_HAVE_IRQ_TIME_ACCOUNTING=y\n{}\nCONFIG_SMP=y\n"
ENABLED = CONFIG.format("CONFIG_IRQ_TIME_ACCOUNTING=y")
DISABLED = CONFIG.format("# CONFIG_IRQ_TIME_ACCOUNTING is not set")


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_machine_that_shows_nothing_is_unknown(tmp_path: Path) -> None:
    record = machine(root=tmp_path, kernel=KERNEL)
    assert record.cgroup_version == 1
    assert record.governor is None
    assert record.irq_time_accounting is None
    assert record.thread_siblings == [[core] for core in range(os.cpu_count() or 1)]


def test_a_machine_is_the_same_whichever_of_its_cores_a_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """The web UI writes records in the load generator's process, which has some of the cores."""
    whole = machine()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert machine() == whole


def test_machine_that_shows_everything_is_described(tmp_path: Path) -> None:
    siblings = {0: "0,4", 1: "1,5", 2: "2,6", 4: "0,4"}
    files = {
        f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list": f"{text}\n"
        for core, text in siblings.items()
    }
    _write(tmp_path, files)
    _write(
        tmp_path,
        {
            "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
            "sys/devices/system/cpu/online": "0-2,4\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
            f"boot/config-{KERNEL}": ENABLED,
        },
    )
    record = machine(root=tmp_path, kernel=KERNEL)
    assert record.cores == 4
    assert record.cgroup_version == 2
    assert record.governor == "powersave"
    assert record.thread_siblings == [[0, 4], [1], [2]]
    assert record.irq_time_accounting is True


@pytest.mark.parametrize(("text", "expected"), [(ENABLED, True), (DISABLED, False)])
@pytest.mark.parametrize("place", ["proc/config.gz", f"boot/config-{KERNEL}", f"usr/lib/modules/{KERNEL}/config"])
def test_kernel_configuration_is_found_in_each_place(tmp_path: Path, place: str, text: str, *, expected: bool) -> None:
    _write(tmp_path, {place: ""})
    (tmp_path / place).write_bytes(gzip.compress(text.encode()) if place.endswith("gz") else text.encode())
    assert machine(root=tmp_path, kernel=KERNEL).irq_time_accounting is expected


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        pytest.param(
            "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n"
            "stepping\t: 1\npower management:\n\nprocessor\t: 1\nvendor_id\t: Other\n",
            "AuthenticAMD, family 26, model 2, stepping 1",
            id="x86",
        ),
        pytest.param(
            "processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\n"
            "CPU part\t: 0xd0c\nCPU revision\t: 1\n\n",
            "implementer 0x41, variant 0x3, part 0xd0c, revision 1",
            id="Arm",
        ),
        pytest.param("processor\t: 0\n", None, id="unknown"),
    ],
)
def test_processors_of_one_name_are_told_apart(cpuinfo: str, expected: str | None) -> None:
    assert cpu_identity(cpuinfo) == expected


def test_configuration_of_another_kernel_is_not_used(tmp_path: Path) -> None:
    _write(tmp_path, {"boot/config-5.10.0": ENABLED, "proc/config.gz": "broken"})
    assert machine(root=tmp_path, kernel=KERNEL).irq_time_accounting is None


@pytest.mark.parametrize(
    ("arguments", "use_flag", "pgo", "lto"),
    [
        pytest.param("'--enable-optimizations' '--with-lto'", "-fprofile-use", True, True, id="official on Debian"),
        pytest.param("'--enable-shared' '--with-lto'", "-fprofile-use", False, True, id="official on Alpine"),
        pytest.param("'--enable-shared'", "-fprofile-use -fprofile-correction", False, False, id="pyenv"),
        pytest.param("'--enable-optimizations' '--with-lto=thin'", "-fprofile-use", True, True, id="thin"),
        pytest.param("'--with-lto=no'", "-fprofile-use", False, False, id="no LTO"),
        pytest.param("'--enable-shared'", None, None, None, id="of Debian itself"),
    ],
)
def test_optimisations_of_a_python_are_read_from_its_configuration(
    arguments: str, use_flag: str | None, *, pgo: bool | None, lto: bool | None
) -> None:
    variables = {"CONFIG_ARGS": arguments, "PGO_PROF_USE_FLAG": use_flag}
    assert python_optimisations(variables) == (pgo, lto)


def test_this_machine_is_described() -> None:
    record = machine("28.2 (overlay2)")
    assert sorted(core for group in record.thread_siblings for core in group) == sorted(os.sched_getaffinity(0))
    assert record.python == ".".join(map(str, sys.version_info[:3]))
    assert record.docker == "28.2 (overlay2)"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of two folders, each changed by a commit of its own."""
    monkeypatch.setattr(module, "ROOT", tmp_path)
    for name in ("app", "docs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
        _git(tmp_path, "init", "--quiet")
        _git(tmp_path, "add", ".")
        _git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=one")
    return tmp_path


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_the_revision_of_a_path_is_the_last_commit_that_changed_it(checkout: Path) -> None:
    head, first = _git(checkout, "rev-parse", "HEAD", "HEAD~1").split()
    assert module.revision(digits=40) == module.revision(checkout / "docs", digits=40) == head
    assert module.revision(checkout / "app", Path("/elsewhere"), digits=40) == first


def test_only_changes_at_a_path_make_it_dirty(checkout: Path) -> None:
    (checkout / "docs" / "file").write_text("changed")
    (checkout / "docs" / "new").touch()
    assert str(module.revision()).endswith("+dirty")
    assert str(module.revision(checkout / "docs")).endswith("+dirty")
    assert not str(module.revision(checkout / "app")).endswith("+dirty")
