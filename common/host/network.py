"""TCP ports on this machine's loopback address, and network namespaces of other processes to open sockets in."""

import ctypes
import os
import socket
from pathlib import Path

from common.errors import UsageError

HOST = "127.0.0.1"
_CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


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


def enter_network_namespace(file: Path) -> None:
    """Have sockets that this thread opens from now on belong to the namespace behind ``file``, /proc/PID/ns/net.

    Sockets that are open stay where they are (setns(2)). ``OSError`` if it has ended or may not be entered.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(descriptor, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(file))
    finally:
        os.close(descriptor)
