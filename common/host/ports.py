"""TCP ports on this machine's loopback address."""

import socket

from common.errors import UsageError

HOST = "127.0.0.1"


def check_port(port: int) -> int:
    """Return ``port`` if it is free; raise ``UsageError`` otherwise."""
    with socket.socket() as probe:
        # Connections of a server that has just exited linger in TIME_WAIT and must not count as a port in use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(f"PORT={port} cannot be used: {error.strerror}. Choose a free port.") from error
    return port


def free_port() -> int:
    """Return a port on which nothing listens at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
