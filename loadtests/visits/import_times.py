"""The cost of the interpreter and of importing the app, timed separately from the server.

The server itself is not changed. In a fresh container of the same image, with the same quota and cores, a Python
program runs ``python3 -c pass`` and ``python3 -c 'import app'`` several times each, and prints the wall time and the
child's CPU time (``wait4``) of each. The page cache is warm: the first run of each is not counted.
"""

import statistics
import subprocess
from collections.abc import Sequence

import msgspec
from docker.errors import APIError

from common.catalog.sizes import Size
from common.engine.ownership import watched_containers
from common.errors import FailedError
from common.packages.environments import environment
from common.records.experiments.startup import Cost
from common.runtimes import container, process
from common.runtimes.candidates import Candidate

REPEATS = 5
TIMEOUT_S = 60

PROGRAM = """
import json, os, sys, time

def once(code):
    began = time.perf_counter()
    child = os.posix_spawnp("python3", ["python3", "-c", code], os.environ)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"python3 -c {code!r} ended with wait status {status}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime

os.sched_setaffinity(0, [int(core) for core in sys.argv[1].split(",")])
repeats = int(sys.argv[2])
print(json.dumps([[once(code) for _ in range(repeats + 1)][1:] for code in sys.argv[3:]]))
"""

_Times = Sequence[Sequence[tuple[float, float]]]


def split(candidate: Candidate, size: Size, cores: Sequence[int]) -> tuple[Cost, Cost]:
    """Return the cost of starting the interpreter, and the additional cost of importing the app.

    Raise ``FailedError`` with the log if the import fails.
    """
    module = candidate.stack.framework.target.partition(":")[0]
    line = ["python3", "-c", PROGRAM, ",".join(map(str, cores)), str(REPEATS), "pass", f"import {module}"]
    output = _in_container(candidate.tag, line, size, cores) if candidate.tag else _in_process(candidate, line)
    try:
        interpreter, imported = (_median(times) for times in msgspec.json.decode(output, type=_Times))
    except msgspec.DecodeError as error:
        printed = " ".join(output.split())[-200:] or "no output"
        raise FailedError(f"{candidate.name}: the import of {module} could not be timed: {printed}") from error
    return interpreter, Cost(
        wall_s=max(0.0, imported.wall_s - interpreter.wall_s), cpu_s=max(0.0, imported.cpu_s - interpreter.cpu_s)
    )


def _in_container(image_tag: str, line: Sequence[str], size: Size, cores: Sequence[int]) -> str:
    options = container.limits(size, cores) | {"command": list(line), "network_mode": "none"}
    with watched_containers() as labels, container.created(image_tag, options, labels) as made:
        container.start(made, image_tag)
        try:
            made.wait(timeout=TIMEOUT_S)
            return made.logs().decode(errors="replace").strip()
        except (APIError, OSError) as error:  # the SDK raises its timeouts as OSError
            raise FailedError(f"{image_tag}: {' '.join(line[-1:])} did not end within {TIMEOUT_S} s.") from error


def _in_process(candidate: Candidate, line: Sequence[str]) -> str:
    stack = candidate.stack
    env = process.environ(stack, environment(stack, candidate.interpreter))
    try:
        done = subprocess.run(
            line, cwd=stack.framework.folder, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise FailedError(f"{candidate.name}: {line[-1]} did not end within {TIMEOUT_S} s.") from error
    return done.stdout.strip() or done.stderr.strip()


def _median(times: Sequence[tuple[float, float]]) -> Cost:
    return Cost(wall_s=statistics.median(wall for wall, _ in times), cpu_s=statistics.median(cpu for _, cpu in times))
