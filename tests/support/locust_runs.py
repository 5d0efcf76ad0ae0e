"""Locust, started from its command line on a server of the test."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from common.host.network import free_port
from common.project import ROOT
from common.records.schema import decode
from common.records.window import Load
from common.runtimes.running_server import RunningServer
from tests.support.servers import CLOSE, KEEP, Client

LOCUSTFILE = "loadtests/locustfile.py"
USERS = 4
DEADLINE_S = 60


def keep_alive(client: Client, _: int) -> bool:
    """Answer and keep the connection."""
    return client.send(KEEP)


def closing(client: Client, _: int) -> bool:
    """Answer and close the connection."""
    client.send(CLOSE)
    return False


def sometimes_wrong(client: Client, number: int) -> bool:
    """Give every fifth answer a wrong body."""
    return client.send(KEEP if number % 5 else KEEP.replace(b"world", b"w0rld"))


def locust(
    port: int, *options: str, scenario: str = "Hello", users: int = USERS, locustfiles: str = LOCUSTFILE
) -> subprocess.CompletedProcess[str]:
    """Return how Locust ended, with no more output than its messages."""
    start = (sys.executable, "-m", "locust", "-f", locustfiles, "--headless", "--only-summary")
    load = ("-u", str(users), "-r", str(users), "--host", f"http://127.0.0.1:{port}")
    command = [*start, *load, *options, *filter(None, [scenario])]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            out, err = process.communicate(timeout=DEADLINE_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # workers, should any be left
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def window(
    file: Path,
    port: int,
    *options: str,
    meter: str = f"tree:{os.getpid()}",
    scenario: str = "Hello",
    users: int = USERS,
) -> Load:
    """Return the record of a short window."""
    times = ("--warmup-s=0.2", "--window-s=1", "--opening-s=1")
    done = locust(port, f"--window-file={file}", f"--meter={meter}", *times, *options, scenario=scenario, users=users)
    assert done.returncode == 0, done.stderr
    assert list(file.parent.iterdir()) == [file]
    load: Load = decode(file.read_bytes(), Load, what="load", source=file.name)
    return load


def workers(count: int) -> tuple[str, ...]:
    """Return the options for worker processes that meet no other master than theirs; none for no workers."""
    port = free_port()
    return (f"--processes={count}", f"--master-bind-port={port}", f"--master-port={port}") if count else ()


def port_of(running: RunningServer) -> int:
    """Return the port of a server on this machine."""
    return int(running.url.rpartition(":")[2])
