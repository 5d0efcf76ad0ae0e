"""TCP ports on this machine's loopback address, and network namespaces of other processes to open sockets in."""

import ctypes
import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from common.errors import UsageError

HOST = "127.0.0.1"
_CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_PORT = 10_000  # well-known services listen below it
_TRIES = 1_000
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
    """Return a port that nothing uses at the moment and that no outgoing connection will be given.

    The kernel gives outgoing connections ports of the ephemeral range, thousands a second under load. A server that is
    about to listen on one of those would now and then find it taken, so the port is drawn at random from below them.
    ``OSError`` if there is none.
    """
    for port in _candidate_ports():
        with suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            free: int = probe.getsockname()[1]
            return free
    raise OSError(f"no port of {HOST} is free")


def _candidate_ports() -> Iterator[int]:
    lowest_ephemeral = int(_EPHEMERAL.read_text().split()[0])
    if lowest_ephemeral > _LOWEST_PORT:
        random_source = random.SystemRandom()  # processes forked from one another draw different ports
        for _ in range(_TRIES):
            yield random_source.randrange(_LOWEST_PORT, lowest_ephemeral)
    yield 0  # the kernel's choice


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
