"""What there is to choose from and what was chosen: stacks, and the sizes they are given."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from common.errors import UsageError
from common.registry import Framework
from common.selection import canonical, select
from common.servers import DEFAULTS, SERVERS, Server

DEFAULT = "default"
SMALLEST_VCPU = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A framework on a server."""

    framework: Framework
    server: Server

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.framework.name}+{self.server.name}"

    def unavailable(self, *places: str) -> str | None:
        """Why its framework or its server cannot be had in one of ``places`` (images, runtimes); ``None`` if it can."""
        reasons = {**self.server.unavailable, **self.framework.unavailable}
        return next((reasons[place] for place in (self.server.name, *places) if place in reasons), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a stack is given: vCPUs, memory in bytes (``None``: as much as there is), workers (``None``: by vCPU)."""

    vcpu: float = 1.0
    memory_bytes: int | None = None
    worker_count: int | None = None
    period_s: float | None = None
    """How often its quota is given out anew; ``None`` for the engine's own choice, 0.1 s."""

    @property
    def workers(self) -> int:
        """One per whole vCPU, at least one, unless their number was given."""
        return self.worker_count or max(1, int(self.vcpu))

    @classmethod
    def read(cls, vcpu: str, memory: str | None) -> "Size":
        """The size that ``VCPU=`` and ``MEMORY=`` name."""
        return cls(vcpu=_vcpu(vcpu), memory_bytes=read_memory_limit(memory))


def stacks(framework: str, server: str, known: Mapping[str, Framework]) -> tuple[Stack, ...]:
    """Every framework asked for on every server asked for that can serve it.

    ``server`` is a list of names, ``all``, or ``default`` for each framework's own. A framework that none of the
    servers asked for can serve is a ``UsageError``, unless all frameworks were asked for.
    """
    chosen = select(framework, known, variable="FRAMEWORK")
    found = tuple(Stack(framework=known[name], server=one) for name in chosen for one in _servers(known[name], server))
    missing = set(chosen) - {stack.framework.name for stack in found}
    if not found or (missing and canonical(framework) != "all"):
        name = min(missing)
        raise UsageError(
            f"SERVER={server} cannot serve {name} ({known[name].interface}). "
            f"Accepted: {', '.join(one.name for one in compatible(known[name]))}, all, default."
        )
    return found


def compatible(framework: Framework) -> tuple[Server, ...]:
    """Every server that speaks the framework's interface."""
    return tuple(server for server in SERVERS.values() if framework.interface in server.interfaces)


def _servers(framework: Framework, text: str) -> tuple[Server, ...]:
    if canonical(text) == DEFAULT:
        return (SERVERS[DEFAULTS[framework.interface]],)
    wanted = select(text, SERVERS, variable="SERVER")
    return tuple(server for server in compatible(framework) if server.name in wanted)


def _vcpu(text: str) -> float:
    cores = len(os.sched_getaffinity(0))
    try:
        vcpu = float(text)
    except ValueError:
        vcpu = 0.0
    if not SMALLEST_VCPU <= vcpu <= cores:
        raise UsageError(
            f"VCPU={text} cannot be given. Accepted: a number from {SMALLEST_VCPU} to {cores}, this machine's cores."
        )
    return vcpu


def read_memory_limit(text: str | None) -> int | None:
    """The bytes that ``MEMORY=`` names; ``None`` where it is not given."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]+)\s*([kmg])i?b?", text.strip().casefold())
    size = int(found[1]) * 1024 ** (" kmg".index(found[2])) if found else 0
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if not 16 * 1024**2 <= size <= total:
        raise UsageError(f"MEMORY={text} cannot be given. Accepted: 16m to {total // 1024**2}m, such as 512m or 1g.")
    return size
