"""Network namespaces of other processes, which a thread can enter to open sockets there."""

import ctypes
import os
from pathlib import Path

_CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


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
