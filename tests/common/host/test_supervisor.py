"""Whatever we start ends with us, however we end and whatever it tries."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from common.host.supervisor import supervised
from tests.support.waiting import wait_until

STUBBORN = (
    "import os, signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "line = [sys.executable, '-c', 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(120)']\n"
    "child = subprocess.Popen(line, start_new_session=True)\n"
    "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid} ')\n"
    "time.sleep(120)\n"
)
"""Ignores TERM and has a child in another session that does too."""

HARNESS = (
    "import os, pathlib, sys, time\n"
    "from common.host.supervisor import supervised\n"
    "line = [sys.executable, '-c', sys.argv[1], sys.argv[2]]\n"
    "with supervised(line, cwd=pathlib.Path('.'), cores=[0]):\n"
    "    time.sleep(120)\n"
)


def _pids(file: Path) -> list[int]:
    wait_until(lambda: file.exists() and file.read_text().endswith(" "))
    return [int(word) for word in file.read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_a_harness_that_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "pids"
    with subprocess.Popen([sys.executable, "-c", HARNESS, STUBBORN, str(file)], stderr=subprocess.DEVNULL) as harness:
        pids = _pids(file)
        assert all(psutil.pid_exists(pid) for pid in pids)
        os.kill(harness.pid, number)
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def test_nothing_outlives_the_context(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    line = [sys.executable, "-c", STUBBORN, str(file)]
    with supervised(line, cwd=tmp_path, cores=[0]):
        pids = _pids(file)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_command_that_ends_ends_its_guard_with_its_exit_status(tmp_path: Path) -> None:
    line = [sys.executable, "-c", "print('seen'); raise SystemExit(7)"]
    with supervised(line, cwd=tmp_path, cores=[0]) as program:
        assert program.wait(15) == 7
        assert program.output() == "seen\n"
        assert program.exit_reason() == "exit status 7. seen"


def test_a_command_runs_on_the_cores_it_is_given(tmp_path: Path) -> None:
    core = max(os.sched_getaffinity(0))
    line = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
    with supervised(line, cwd=tmp_path, cores=[core]) as program:
        program.wait(15)
        assert program.output() == f"[{core}]\n"
