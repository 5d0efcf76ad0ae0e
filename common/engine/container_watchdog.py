"""Removes the containers of a process that was killed: the last one standing, in a session of its own.

Run as a program with one label (``name=value``). It reads standard input, a pipe from the owner of the containers
that carry the label: when that ends with the farewell, the owner has removed them itself; without, it was killed.
"""

import sys
import time

DISARM = b"removed"
SETTLE_S = 3.0
"""How long it goes on looking: the engine may still be creating what the owner had asked for."""
LOOK_EVERY_S = 0.1


def watch(label: str) -> None:
    """Wait for the owner's end, then remove what it did not."""
    if sys.stdin.buffer.read() != DISARM:
        remove_all(label)


def remove_all(label: str) -> None:
    """Remove every container that carries the label, those included that come up within ``SETTLE_S``."""
    import docker  # noqa: PLC0415 -- half a second of CPU time that a guard spends only where it is needed

    api = docker.from_env().api
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        for row in api.containers(all=True, quiet=True, filters={"label": label}):
            try:
                api.remove_container(row["Id"], force=True, v=True)
            except docker.errors.APIError as error:
                print(error, file=sys.stderr)  # noqa: T201 -- gone already, or asked again at the next look
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    watch(sys.argv[1])
