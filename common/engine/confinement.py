"""The privileges that our containers lack, and the limits that keep them from hurting the machine.

The limits are generous: a server that behaves never meets them, so that they change no measurement.
"""

import os
from dataclasses import dataclass, replace
from typing import Any

MAX_PIDS = 4096
"""Processes and threads of one container, far more than any server starts."""
MEMORY_SHARE = 0.5
"""The part of the machine's memory for a container that is given no limit of its own."""
NOBODY = "65534:65534"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """Limits and denials of a container, in fields that a record can hold."""

    memory_bytes: int
    """Memory including swap, so that nothing is swapped out."""
    memory_chosen: bool
    """Whether somebody asked for that limit; if not, it is ``MEMORY_SHARE`` of the machine's memory."""
    pids: int = MAX_PIDS
    read_only: bool = True
    """Whether the container's root file system cannot be written to."""
    writable: tuple[str, ...] = ("/tmp",)  # noqa: S108 -- the container's own
    """Folders in memory that can be written to, which count towards ``memory_bytes``."""
    capabilities: tuple[str, ...] = ()
    """The capabilities of root that it keeps."""
    new_privileges: bool = False
    """Whether a program in it may gain privileges, such as by a set-user-ID bit."""
    user: str | None = None
    """``UID:GID``; ``None`` for the user that the image names."""

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments with which the Docker SDK creates such a container."""
        return {
            "mem_limit": self.memory_bytes,
            "memswap_limit": self.memory_bytes,
            "pids_limit": self.pids,
            "read_only": self.read_only,
            "tmpfs": dict.fromkeys(self.writable, ""),
            "cap_drop": ["ALL"],
            "cap_add": list(self.capabilities),
            "security_opt": [] if self.new_privileges else ["no-new-privileges"],
            "user": self.user,
        }


DOCKERS_CAPABILITIES = ("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
                        "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT")  # fmt: skip
"""Docker's default capabilities. Source: its documentation, Runtime privilege and Linux capabilities."""


def confine(memory_bytes: int | None = None, *, user: str | None = None) -> Confinement:
    """Return the confinement of a container, with the memory limit that was asked for, if any."""
    machine_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Confinement(
        memory_bytes=round(machine_bytes * MEMORY_SHARE) if memory_bytes is None else memory_bytes,
        memory_chosen=memory_bytes is not None,
        user=user,
    )


def confine_guest(memory_bytes: int | None = None) -> Confinement:
    """Return the confinement of a container of the user's own image: as ``docker run`` has it, with our limits."""
    ours = confine(memory_bytes)
    return replace(ours, read_only=False, writable=(), capabilities=DOCKERS_CAPABILITIES, new_privileges=True)
