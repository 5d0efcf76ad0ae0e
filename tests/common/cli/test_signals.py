"""A hangup ends a command as Ctrl-C does, unless it was started with ``nohup``."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from common.project import ROOT

PROGRAM = """
import sys, time
from common.cli.app import new_app, run
app = new_app("")

@app.command
def work():
    print("started", flush=True)
    sys.stdin.readline()
    print("finished", flush=True)

sys.exit(run(app, ["work"]))
"""


@contextmanager
def _command(*prefix: str) -> Iterator[subprocess.Popen[str]]:
    line = [*prefix, sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        yield process


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_command(number: signal.Signals) -> None:
    with _command() as process:
        process.send_signal(number)
        assert process.wait(15) == 130


def test_command_under_nohup_survives_a_hangup() -> None:
    with _command("nohup") as process:
        process.send_signal(signal.SIGHUP)
        output, _ = process.communicate("go on\n", timeout=15)
        assert (process.returncode, output) == (0, "finished\n")
