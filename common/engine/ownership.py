"""Ownership of containers: labels that name the owner, a watchdog in case it is killed, and removal of orphans."""

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
"""The label that holds the ``owner_id`` of the process that created a container."""
WATCHDOG = f"{PROJECT}.guard"
"""The label by which a watchdog finds the containers that it watches."""


@contextmanager
def watched_containers() -> Iterator[dict[str, str]]:
    """Yield labels for containers, which a watchdog removes if this process is killed within the block."""
    watchdog_id = secrets.token_hex(8)
    line = [sys.executable, "-I", container_watchdog.__file__, f"{WATCHDOG}={watchdog_id}"]
    with subprocess.Popen(
        line,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as watchdog:
        try:
            yield {OWNER: owner_id(os.getpid()), WATCHDOG: watchdog_id}
        except BenchmarkError:  # removal has run; after anything else, such as an interrupt, the watchdog makes sure
            _disarm(watchdog)
            raise
        _disarm(watchdog)


def remove_orphaned_containers(client: DockerClient) -> None:
    """Remove every container of ours whose owner has exited."""
    for row in client.api.containers(all=True, filters={"label": OWNER}):
        if not is_alive(row["Labels"][OWNER]):
            with suppress(APIError):  # another process may be removing it too
                client.api.remove_container(row["Id"], force=True, v=True)


def _disarm(watchdog: subprocess.Popen[bytes]) -> None:
    assert watchdog.stdin is not None
    with suppress(BrokenPipeError):
        watchdog.stdin.write(container_watchdog.DISARM)
