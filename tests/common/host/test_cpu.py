"""CPU time is read from recorded control-group files of both versions, and from running processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.errors import UsageError
from common.host.cpu import CpuReading, cgroup_meter, process_cpu_s, read_cgroup, read_cpu, read_tree

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


def test_invalid_meter_is_refused() -> None:
    with pytest.raises(UsageError, match="invalid CPU meter clock:9"):
        read_cpu("clock:9")


def test_process_that_has_exited_is_an_error() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with pytest.raises(OSError, match="argument"):
        process_cpu_s(process.pid)
