"""Memory is read from recorded control-group files of both versions, and from running containers and processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from docker import DockerClient

from common.catalog.images import DEFAULT_PYTHON, images
from common.engine.ownership import watched_containers
from common.errors import UsageError
from common.host.cpu import cgroup_folder
from common.host.memory import MemoryReading, private_bytes, read_memory
from tests.support.waiting import wait_until

MB = 1024**2
BASE = images()["slim"].base(DEFAULT_PYTHON)
HOLD = f"x = bytearray({64 * MB}); x[::4096] = bytes([1]) * len(x[::4096]); print('held', flush=True); input()"

V1_STAT = """cache 16269312
rss 29564928
shmem 8192
total_cache 16269312
total_rss 29564928
total_rss_huge 0
total_shmem 12288
"""
V2_STAT = "anon 29564928\nfile 16269312\nkernel 1204224\nkernel_stack 65536\nshmem 12288\nslab 524288\n"
V2_STAT_BEFORE_5_18 = (
    "anon 29564928\nfile 16269312\nkernel_stack 65536\npagetables 131072\npercpu 96\nshmem 12288\nslab 524288\n"
)
ROLLUP = """55d0c0a00000-7ffd3b9fe000 ---p 00000000 00:00 0                          [rollup]
Rss:               23672 kB
Pss:               16923 kB
Pss_Dirty:         12000 kB
Shared_Clean:       6000 kB
Private_Clean:       500 kB
Private_Dirty:     12100 kB
"""


def _group(folder: Path, stat: str, *, kmem: str = "") -> Path:
    folder.mkdir()
    (folder / "memory.stat").write_text(stat)
    (folder / "cgroup.procs").write_text("41\n42\n43\n")
    if kmem:
        (folder / "memory.kmem.usage_in_bytes").write_text(kmem)
    for pid in ("41", "42"):  # 43 exits before it is read
        process = folder.parent / "proc" / pid
        process.mkdir(parents=True)
        (process / "smaps_rollup").write_text(ROLLUP)
    return folder


@pytest.mark.parametrize(
    ("stat", "kmem", "kernel_bytes"),
    [
        pytest.param(V1_STAT, "1204224\n", 1204224, id="v1"),
        pytest.param(V2_STAT, "", 1204224, id="v2"),
        pytest.param(V2_STAT_BEFORE_5_18, "", 65536 + 131072 + 96 + 524288, id="v2 before Linux 5.18"),
    ],
)
def test_both_versions_give_the_same_kinds_of_memory(tmp_path: Path, stat: str, kmem: str, kernel_bytes: int) -> None:
    folder = _group(tmp_path / "group", stat, kmem=kmem)
    reading = read_memory(f"cgroup:{folder}", proc=tmp_path / "proc")
    assert reading == MemoryReading(
        anonymous_bytes=29564928,
        shared_bytes=12288,
        kernel_bytes=kernel_bytes,
        pss_bytes=2 * 16923 * 1024,
        uss_bytes=2 * 12600 * 1024,
        processes=3,
    )
    assert reading.held_bytes == 29564928 + 12288 + kernel_bytes


def test_held_memory_of_a_process_tree_is_its_pss() -> None:
    assert MemoryReading(pss_bytes=7, uss_bytes=5, processes=1).held_bytes == 7


def test_invalid_meter_is_refused() -> None:
    with pytest.raises(UsageError, match="invalid memory meter ps:9"):
        read_memory("ps:9")


def test_tree_is_the_descendants_of_a_process_without_itself() -> None:
    program = (
        f"import subprocess, sys; big = bytearray({256 * MB}); subprocess.run([sys.executable, '-c', sys.argv[1]])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"held\n"
        reading = read_memory(f"tree:{parent.pid}")
        parent.communicate(b"\n")
    assert reading.processes == 1
    assert reading.pss_bytes is not None
    assert reading.uss_bytes is not None
    assert 64 * MB < reading.uss_bytes <= reading.pss_bytes < 90 * MB


@contextmanager
def _container_holding_64_mb(engine: DockerClient) -> Iterator[str]:
    """Run a container that holds 64 MB and an interpreter, and yield its meter."""
    with watched_containers() as labels:
        container = engine.containers.create(BASE, ["python3", "-c", HOLD], labels=labels, stdin_open=True)
        try:
            container.start()
            wait_until(lambda: b"held" in container.logs())
            container.reload()
            yield f"cgroup:{cgroup_folder(container.attrs['State']['Pid'], 'memory')}"
        finally:
            container.remove(force=True, v=True)


def test_identical_containers_hold_the_same(engine: DockerClient) -> None:
    """They agree within 1 MB, although the page cache of the files they share is charged to the first one only."""
    with ExitStack() as stack:
        meters = [stack.enter_context(_container_holding_64_mb(engine)) for _ in range(3)]
        readings = [read_memory(meter).held_bytes for meter in meters]
    sizes = [size for size in readings if size is not None]
    assert len(sizes) == 3
    assert max(sizes) - min(sizes) < MB
    assert 64 * MB < min(sizes) < 80 * MB


HOLD_AND_GROW = """
import sys
print(flush=True)
sys.stdin.readline()
held = bytearray(50 * 2**20)
held[::4096] = b"x" * (50 * 256)
print(flush=True)
sys.stdin.readline()
"""


def test_a_process_trees_memory_is_that_of_its_processes() -> None:
    """Its child writes to 50 MiB between the two readings."""
    line = [sys.executable, "-c", HOLD_AND_GROW]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        before = private_bytes(f"tree:{os.getpid()}")
        print(file=child.stdin, flush=True)
        child.stdout.readline()
        held = private_bytes(f"tree:{os.getpid()}")
        child.communicate()
    assert before is not None
    assert held is not None
    assert held - before == pytest.approx(50 * 2**20, rel=0.01)


def test_the_processes_of_a_control_group_are_read_from_cgroup_procs(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    alone = private_bytes(f"cgroup:{tmp_path},/elsewhere")
    assert alone is not None
    assert alone > 2**20


def test_a_process_that_has_just_ended_holds_nothing(tmp_path: Path) -> None:
    ended = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "cgroup.procs").write_text(f"{ended}\n{os.getpid()}\n")
    assert private_bytes(f"cgroup:{tmp_path}") is not None


def test_the_memory_is_unknown_without_a_meter_or_a_server(tmp_path: Path) -> None:
    ended = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    assert private_bytes("") is None
    assert private_bytes(f"tree:{ended}") is None
    assert private_bytes(f"cgroup:{tmp_path}/gone") is None
