"""TCP ports of this machine's loopback."""

import socket

from common.errors import UsageError

HOST = "127.0.0.1"


def check_port(port: int) -> int:
    """``port`` where it is free; ``UsageError`` where it is not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(f"PORT={port} cannot be used: {error.strerror}. Accepted: a free port.") from error
    return port


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
