"""CPU time and memory are read from recorded control-group files of both versions, and from running servers."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from docker import DockerClient

from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.stacks import images
from common.engine.ownership import watched_containers
from common.errors import UsageError
from common.host.meters import (
    CpuReading,
    MemoryReading,
    cgroup_folder,
    cgroup_meter,
    memory_kills,
    metered_pids,
    private_bytes,
    process_cpu_s,
    read_cgroup,
    read_cpu,
    read_memory,
    read_tree,
)
from tests.support.waiting import wait_until

V2_CPU_STAT = """usage_usec 1873468
user_usec 1213043
system_usec 660425
nr_periods 120
nr_throttled 31
throttled_usec 2271935
nr_bursts 0
burst_usec 0
"""
V2_CPU_STAT_WITHOUT_QUOTA = "usage_usec 51\nuser_usec 11\nsystem_usec 40\n"
V1_CPU_STAT = "nr_periods 60\nnr_throttled 17\nthrottled_time 1204772391\nnr_bursts 0\nburst_time 0\n"
V1_USAGE = "2043913375\n"
V1_PROC = """12:pids:/docker/4f0c
7:cpu,cpuacct:/docker/4f0c
4:memory:/docker/4f0c
0::/system.slice/docker.service
"""
V2_PROC = "0::/system.slice/docker-4f0c.scope\n"

SPIN = "import time\nend = time.process_time() + {cpu_s}\nwhile time.process_time() < end: pass\n"
MB = 1024**2
BASE = images()["slim"].base(DEFAULT_PYTHON)
HOLD = f"x = bytearray({64 * MB}); x[::4096] = bytes([1]) * len(x[::4096]); print('held', flush=True); input()"


def _folder(path: Path, **files: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)
    return path


def test_version_2_files_are_read_in_microseconds(tmp_path: Path) -> None:
    folder = _folder(tmp_path, cpu__stat=V2_CPU_STAT)
    assert read_cgroup([folder]) == CpuReading(cpu_s=1.873468, throttled_s=2.271935, throttled_periods=31)


def test_throttling_is_none_without_a_quota(tmp_path: Path) -> None:
    folder = _folder(tmp_path, cpu__stat=V2_CPU_STAT_WITHOUT_QUOTA)
    assert read_cgroup([folder]) == CpuReading(cpu_s=51e-6, throttled_s=None, throttled_periods=None)


def test_version_1_files_are_read_in_nanoseconds_from_one_or_two_folders(tmp_path: Path) -> None:
    expected = CpuReading(cpu_s=2.043913375, throttled_s=1.204772391, throttled_periods=17)
    together = _folder(tmp_path / "cpu,cpuacct", cpu__stat=V1_CPU_STAT, cpuacct__usage=V1_USAGE)
    assert read_cgroup([together]) == expected
    apart = [_folder(tmp_path / "cpuacct", cpuacct__usage=V1_USAGE), _folder(tmp_path / "cpu", cpu__stat=V1_CPU_STAT)]
    assert read_cgroup(apart) == expected


@pytest.mark.parametrize(
    ("proc", "files", "expected"),
    [
        (V1_PROC, ["cpu/docker/4f0c/cpu.stat"], "cgroup:{root}/cpuacct/docker/4f0c,{root}/cpu/docker/4f0c"),
        (V2_PROC, ["cgroup.controllers"], "cgroup:{root}/system.slice/docker-4f0c.scope"),
    ],
)
def test_meter_of_a_process_names_its_control_group(tmp_path: Path, proc: str, files: list[str], expected: str) -> None:
    _folder(tmp_path / "proc" / "41", cgroup=proc)
    for file in files:
        _folder(tmp_path / "cgroup" / Path(file).parent, **{Path(file).name.replace(".", "__"): ""})
    meter = cgroup_meter(41, proc=tmp_path / "proc", root=tmp_path / "cgroup")
    assert meter == expected.format(root=tmp_path / "cgroup")


def test_process_cpu_time_agrees_with_what_the_process_itself_reads() -> None:
    before = time.process_time()
    assert before <= process_cpu_s(os.getpid()) <= time.process_time()


def test_tree_includes_running_and_exited_children() -> None:
    """A parent burns 0.2 s of CPU, one child that has exited burned 0.2 s, and one that still runs another 0.2 s."""
    program = (
        "import subprocess, sys\n"
        "spin, report = sys.argv[1:]\n"
        "subprocess.run([sys.executable, '-c', spin], check=True)\n"
        "alive = subprocess.Popen([sys.executable, '-c', spin + report + 'input()'], stdin=0)\n"
        "exec(spin + report)\n"
        "alive.wait()\n"
    )
    report = "import os\nos.write(1, b'1\\n')\n"  # one write, so that the two processes' lines do not mix
    line = [sys.executable, "-c", program, SPIN.format(cpu_s=0.2), report]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert [parent.stdout.readline(), parent.stdout.readline()] == [b"1\n", b"1\n"]
        used_s = read_tree(parent.pid).cpu_s
        assert read_cpu(f"tree:{parent.pid}").cpu_s >= used_s
        parent.communicate(b"\n")
    assert 0.6 <= used_s < 1.2  # three times 0.2 s and the start of three interpreters


def test_a_tree_reaches_down_to_the_workers_of_a_server() -> None:
    """The process at the top only guards the server, whose own processes may be workers' parents."""
    line = ["sh", "-c", "sh -c 'sh -c \"echo up; read end\"; :'; :"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as guard:
        assert guard.stdout is not None
        assert guard.stdout.readline() == b"up\n"
        meter = f"tree:{guard.pid}"
        below, metered, in_memory = read_cpu(meter).processes, metered_pids(meter), read_memory(meter).processes
        guard.communicate(b"\n")
    assert len(below) == in_memory == 2
    assert set(metered) == {guard.pid, *below}


def test_a_worker_that_ends_during_a_reading_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as worker:
        ended = psutil.Process(worker.pid)
    monkeypatch.setattr(psutil.Process, "children", lambda *_, **__: [ended])
    assert read_tree(os.getpid()).cpu_s > 0


def test_a_control_group_that_is_gone_had_no_kills(tmp_path: Path) -> None:
    assert memory_kills(tmp_path / "gone", kernel_log=tmp_path / "no log") == 0


def test_memory_kills_of_a_group_that_is_gone_are_in_the_kernels_log(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    kill = "oom-kill:constraint=CONSTRAINT_MEMCG,cpuset=ab,oom_memcg=/docker/{},task_memcg=/docker/ab,task=x,pid=7"
    log.write_text(f"6,1,2,-;{kill.format('ab')}\n")
    assert memory_kills(tmp_path / "ab", kernel_log=log) == 1
    assert memory_kills(tmp_path / "a", kernel_log=log) == 0


def test_invalid_meter_is_refused() -> None:
    with pytest.raises(UsageError, match="invalid CPU meter clock:9"):
        read_cpu("clock:9")
    with pytest.raises(UsageError, match="invalid memory meter ps:9"):
        read_memory("ps:9")


@pytest.mark.parametrize("folders", ["gone", "gone,gone too"])
def test_control_group_that_is_gone_is_an_error(tmp_path: Path, folders: str) -> None:
    meter = f"cgroup:{','.join(str(tmp_path / name) for name in folders.split(','))}"
    with pytest.raises(FileNotFoundError):
        read_cpu(meter)


def test_process_that_has_exited_is_an_error() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with pytest.raises(OSError, match="argument"):
        process_cpu_s(process.pid)


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
