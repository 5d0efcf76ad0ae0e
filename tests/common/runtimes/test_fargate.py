"""A server that hangs keeps nobody waiting for it: what waits costs money."""

import socket
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from common.errors import FailedError
from common.host.readiness import PROBE_TIMEOUT_S
from common.project import ROOT
from common.runtimes import fargate
from common.runtimes.fargate import TaskWatch


class Watch:
    """A watch whose task ends a moment after it is asked."""

    settings = SimpleNamespace(cloud=SimpleNamespace(dry_run=False))

    def wait_until(self, *_: object, **__: object) -> None:
        """End as a task does."""
        time.sleep(0.2)
        raise FailedError


def test_the_end_of_a_task_is_not_held_up_by_a_probe_that_hangs() -> None:
    """The server accepts a connection and never answers, so that the probe waits for its own timeout."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        started_s = time.monotonic()
        with pytest.raises(FailedError):
            fargate._first_response(cast("TaskWatch", cast("Any", Watch())), url, 0.0)
        assert time.monotonic() - started_s < PROBE_TIMEOUT_S


PROGRAM = """
import sys, threading
from common.runtimes.fargate import _probe
threading.Thread(target=_probe, args=(sys.argv[1], [], threading.Event()), daemon=True).start()
"""


def test_python_exits_although_a_probe_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        started_s = time.monotonic()
        subprocess.run([sys.executable, "-c", PROGRAM, url], cwd=ROOT, check=True, timeout=30)
        assert time.monotonic() - started_s < PROBE_TIMEOUT_S
