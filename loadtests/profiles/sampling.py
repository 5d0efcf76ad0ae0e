"""Sampling a stack's call stacks with py-spy while it is loaded."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from common.errors import FailedError
from common.host.folders import temporary_folder
from common.host.supervisor import Program, supervised
from common.packages.environments import environment
from common.records.load import Setup
from common.runtimes.candidates import Candidate
from loadtests.experiments.loadtest.visit import measure
from loadtests.profiles.owners import CallStack, Frame, Owners, Profile

RATE_HZ = 500
"""Samples per second: enough to tell shares of one per cent within seconds, and cheap for the server."""
PATIENCE_S = 30
_FRAME = re.compile(r"(?P<function>.+?) \((?P<file>.*?)(?::(?P<line>\d+))?\)")
PY_SPY = str(Path(sys.executable).with_name("py-spy"))


def profile(candidate: Candidate, setup: Setup) -> Profile:
    """Load a fresh server of the stack, in the process runtime, and return where its Python code spends its time.

    Raise ``FailedError`` with py-spy's last words if it may not look into the server or sees nothing.
    """
    with (
        temporary_folder("profile") as folder,
        candidate.serve(setup.size, cores=setup.server_cores) as running,
    ):
        assert running.cpu_meter is not None
        file, pid = folder / "samples.txt", running.cpu_meter.removeprefix("tree:")
        line = [PY_SPY, "record", f"--pid={pid}", "--subprocesses", "--function", "--full-filenames", "--format=raw"]
        line += ["--gil", f"--rate={RATE_HZ}", f"--output={file}"]
        with supervised(line, cwd=folder, cores=setup.generator_cores) as sampler:
            measure(running, setup)
            _stop(sampler)
            try:
                sampler.wait(PATIENCE_S)
            except subprocess.TimeoutExpired as error:
                raise FailedError(f"py-spy did not end {PATIENCE_S} s after the load on {candidate.name}.") from error
            stacks = parse_samples(file.read_text()) if file.exists() else []
            if not stacks:
                raise FailedError(f"py-spy saw nothing of {candidate.name}: {_reason(sampler)}")
    owners = Owners.of_stack(candidate.stack, environment(candidate.stack, candidate.interpreter))
    return Profile(name=candidate.name, stacks=stacks, owners=owners)


def _stop(sampler: Program) -> None:
    """Have py-spy write what it has seen and end, as Ctrl-C does.

    py-spy's own ``--duration`` would begin to count before the load does.
    """
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(sampler.pid).children():
            process.send_signal(signal.SIGINT)


def _reason(sampler: Program) -> str:
    if "ermission" in sampler.output():
        return "it takes root, or 0 in /proc/sys/kernel/yama/ptrace_scope, to look into another process."
    return sampler.last_lines()


def parse_samples(text: str) -> list[CallStack]:
    """Return the call stacks in py-spy's raw format: a line each, frames joined by semicolons, then the count.

    Entries that are not functions, such as the process name that py-spy puts first, are left out.
    """
    return [stack for line in text.splitlines() if (stack := _stack(line)).frames]


def _stack(line: str) -> CallStack:
    frames, _, count = line.rpartition(" ")
    return CallStack(tuple(_frames(frames)), int(count) if count.isdigit() else 0)


def _frames(text: str) -> Iterator[Frame]:
    for part in text.split(";"):
        if match := _FRAME.fullmatch(part):
            yield Frame(match["function"], match["file"], int(match["line"] or 0))
