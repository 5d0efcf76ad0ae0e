"""Programs that we start end with us, however we end and whatever they do."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from common.host.meters import read_memory
from common.host.supervisor import Program, supervised
from tests.support.waiting import wait_until

STUBBORN = (
    "import os, signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "line = [sys.executable, '-c', 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(120)']\n"
    "child = subprocess.Popen(line, start_new_session=True)\n"
    "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid} ')\n"
    "time.sleep(120)\n"
)
"""A program that ignores TERM, as does its child in another session."""

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
def test_no_process_outlives_a_killed_harness(tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "pids"
    with subprocess.Popen([sys.executable, "-c", HARNESS, STUBBORN, str(file)], stderr=subprocess.DEVNULL) as harness:
        pids = _pids(file)
        assert all(psutil.pid_exists(pid) for pid in pids)
        os.kill(harness.pid, number)
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def test_no_process_outlives_the_block(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    line = [sys.executable, "-c", STUBBORN, str(file)]
    with supervised(line, cwd=tmp_path, cores=[0]):
        pids = _pids(file)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def _guard(program: Program, name: str) -> int:
    return program.supervisor.pid if name == "outer" else program.pid


def _runs(pid: int) -> bool:
    """Return whether a process runs; one that nobody has waited for yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("victim", ["outer", "inner"])
def test_no_process_outlives_a_killed_guard(tmp_path: Path, victim: str) -> None:
    file = tmp_path / "pids"
    line = [sys.executable, "-c", STUBBORN, str(file)]
    with supervised(line, cwd=tmp_path, cores=[0]) as program:
        pids = _pids(file)
        os.kill(_guard(program, victim), signal.SIGKILL)
        wait_until(lambda: not any(_runs(pid) for pid in [*pids, program.pid]))
        wait_until(lambda: program.exit_status is not None)


@pytest.mark.parametrize("victim", ["outer", "inner"])
def test_block_ends_only_after_the_tree_of_a_killed_guard(tmp_path: Path, victim: str) -> None:
    file = tmp_path / "pids"
    line = [sys.executable, "-c", STUBBORN, str(file)]
    with supervised(line, cwd=tmp_path, cores=[0]) as program:
        pids = _pids(file)
        os.kill(_guard(program, victim), signal.SIGKILL)
    assert not any(_runs(pid) for pid in [*pids, program.pid])


def test_no_process_of_the_session_outlives_two_killed_guards(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    line = [sys.executable, "-c", STUBBORN.replace("start_new_session=True", "start_new_session=False"), str(file)]
    with supervised(line, cwd=tmp_path, cores=[0]) as program:
        pids = _pids(file)
        for guard in (program.supervisor.pid, program.pid):
            os.kill(guard, signal.SIGKILL)
        wait_until(lambda: not _runs(pids[0]))  # the program itself, before the block ends
    assert not any(_runs(pid) for pid in pids)


def test_second_term_does_not_save_the_tree(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    line = [sys.executable, "-c", STUBBORN, str(file)]
    with supervised(line, cwd=tmp_path, cores=[0]) as program:
        pids = _pids(file)
        for _ in range(20):
            for guard in (program.supervisor.pid, program.pid):
                os.kill(guard, signal.SIGTERM)
            time.sleep(0.02)
        program.wait(15)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_command_that_cannot_be_started_is_reported(tmp_path: Path) -> None:
    with supervised([str(tmp_path / "nothing")], cwd=tmp_path, cores=[0]) as program:
        assert program.wait(15) == 1
        assert "No such file or directory" in program.last_lines()


@pytest.mark.parametrize(
    ("command", "line"), [("printf 'a\\n b\\n\\n c\\n'", "b | c"), ("true", "It printed nothing.")]
)
def test_last_lines_of_output_are_joined_without_blank_ones(tmp_path: Path, command: str, line: str) -> None:
    with supervised(["sh", "-c", command], cwd=tmp_path, cores=[0]) as program:
        program.wait(15)
        assert program.last_lines(2) == line


def test_cores_that_do_not_exist_are_reported(tmp_path: Path) -> None:
    with supervised(["true"], cwd=tmp_path, cores=[100_000]) as program:
        assert program.wait(15) == 1
        assert program.last_lines()


def test_exit_status_of_a_command_that_is_killed_names_the_signal(tmp_path: Path) -> None:
    with supervised(["sh", "-c", "kill -KILL $$"], cwd=tmp_path, cores=[0]) as program:
        assert program.wait(15) == 128 + signal.SIGKILL


def test_tree_meter_counts_no_guard_as_process_of_the_program(tmp_path: Path) -> None:
    with supervised(["sleep", "60"], cwd=tmp_path, cores=[0]) as program:
        wait_until(lambda: bool(psutil.Process(program.pid).children()))
        assert read_memory(program.tree_meter).processes == 1


def test_exit_status_and_output_of_a_command_are_returned(tmp_path: Path) -> None:
    line = [sys.executable, "-c", "print('hello'); raise SystemExit(7)"]
    with supervised(line, cwd=tmp_path, cores=[0]) as program:
        assert program.wait(15) == 7
        assert program.output() == "hello\n"
        assert program.exit_reason() == "exit status 7. hello"


def test_output_that_is_not_utf8_is_still_shown(tmp_path: Path) -> None:
    line = [sys.executable, "-c", r"import os; os.write(1, b'caf\xe9 failed\n'); raise SystemExit(1)"]
    with supervised(line, cwd=tmp_path, cores=[0]) as program:
        assert program.wait(15) == 1
        assert program.exit_reason() == "exit status 1. caf\N{REPLACEMENT CHARACTER} failed"


def test_reading_the_output_does_not_disturb_a_program_that_prints(tmp_path: Path) -> None:
    line = [sys.executable, "-c", "import os\nfor n in range(20_000): os.write(1, b'%d\\n' % n)"]
    with supervised(line, cwd=tmp_path) as program:
        while program.exit_status is None:
            program.output()
        assert program.output().split() == [str(n) for n in range(20_000)]


def test_command_runs_on_the_given_cores(tmp_path: Path) -> None:
    core = max(os.sched_getaffinity(0))
    line = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
    with supervised(line, cwd=tmp_path, cores=[core]) as program:
        program.wait(15)
        assert program.output() == f"[{core}]\n"
