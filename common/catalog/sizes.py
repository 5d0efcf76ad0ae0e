"""The vCPUs and memory that a stack is given."""

import os
import re
from dataclasses import dataclass

from common.errors import UsageError

SMALLEST_VCPU = 0.05


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
    def parse(cls, vcpu: str, memory: str | None) -> "Size":
        """The size that ``VCPU=`` and ``MEMORY=`` name."""
        return cls(vcpu=_vcpu(vcpu), memory_bytes=parse_memory(memory))


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


def parse_memory(text: str | None) -> int | None:
    """The bytes that ``MEMORY=`` names; ``None`` where it is not given."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]+)\s*([kmg])i?b?", text.strip().casefold())
    size = int(found[1]) * 1024 ** (" kmg".index(found[2])) if found else 0
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if not 16 * 1024**2 <= size <= total:
        raise UsageError(f"MEMORY={text} cannot be given. Accepted: 16m to {total // 1024**2}m, such as 512m or 1g.")
    return size
