"""The private memory of a server's processes is read through the meter that names them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.timing.server_memory import private_bytes

HOLD = """
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
    line = [sys.executable, "-c", HOLD]
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
