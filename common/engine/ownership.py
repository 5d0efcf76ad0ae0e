"""Whose a container is: labels that name its owner, a guard for when that is killed, the sweeping of orphans."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from docker import DockerClient
from docker.errors import APIError

from common.engine import container_watchdog
from common.errors import BenchmarkError
from common.host.ownership import is_alive, owner_id
from common.project import PROJECT

OWNER = f"{PROJECT}.owner"
GUARD = f"{PROJECT}.guard"


@contextmanager
def watched_containers() -> Iterator[dict[str, str]]:
    """The labels for a container of this process; a guard removes it if this process is killed within the block."""
    guard_id = secrets.token_hex(8)
    line = [sys.executable, "-I", container_watchdog.__file__, f"{GUARD}={guard_id}"]
    with subprocess.Popen(
        line,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as guard:
        try:
            yield {OWNER: owner_id(os.getpid()), GUARD: guard_id}
        except BenchmarkError:
            _dismiss(guard)
            raise
        _dismiss(guard)


def remove_orphaned_containers(client: DockerClient) -> None:
    """Remove every container of ours whose owner lives no more."""
    for row in client.api.containers(all=True, filters={"label": OWNER}):
        if not is_alive(row["Labels"][OWNER]):
            with suppress(APIError):  # another process sweeps too
                client.api.remove_container(row["Id"], force=True, v=True)


def _dismiss(guard: subprocess.Popen[bytes]) -> None:
    assert guard.stdin is not None
    with suppress(BrokenPipeError):
        guard.stdin.write(container_watchdog.DISARM)
