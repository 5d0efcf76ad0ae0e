"""A watchdog that removes the containers of a process that was killed.

It runs as a program, in a session of its own, with one label (``name=value``) as its argument and a pipe from the owner
of the labelled containers as standard input. If the pipe closes after ``DISARM``, the owner has removed its containers
itself; if it closes without, the owner was killed.
"""

import sys
import time

DISARM = b"removed"
SETTLE_S = 3.0
"""The time for which to keep looking: the engine may still be creating a container that the owner had asked for."""
POLL_INTERVAL_S = 0.1


def watch(label: str) -> None:
    """Wait until the owner exits, then remove the containers that it has left."""
    if sys.stdin.buffer.read() != DISARM:
        remove_all(label)


def remove_all(label: str) -> None:
    """Remove every container with the label, including those that appear within ``SETTLE_S``."""
    import docker  # noqa: PLC0415 -- half a second of CPU time, spent only if a container has to be removed

    api = docker.from_env().api
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        for row in api.containers(all=True, quiet=True, filters={"label": label}):
            try:
                api.remove_container(row["Id"], force=True, v=True)
            except docker.errors.APIError as error:
                print(error, file=sys.stderr)  # noqa: T201 -- already removed, or tried again in the next pass
        time.sleep(POLL_INTERVAL_S)


if __name__ == "__main__":
    watch(sys.argv[1])
