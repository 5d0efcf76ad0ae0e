"""Runtimes and sizes: where a stack is brought up, and the vCPUs and the memory that it is given."""

import os
import re
from dataclasses import dataclass
from enum import StrEnum

from common.errors import UsageError
from common.words import parse_decimal

SMALLEST_VCPU = 0.05
SMALLEST_MEMORY_BYTES = 16 * 1024**2


class Runtime(StrEnum):
    """The environment in which a stack runs: a process on this machine, a Docker container, or a Fargate task."""

    PROCESS = "process"
    DOCKER = "docker"
    FARGATE = "fargate"


class TaskArchitecture(StrEnum):
    """The processor architecture of a Fargate task, as ECS names it."""

    X86_64 = "X86_64"
    ARM64 = "ARM64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The resources that a stack is given."""

    vcpu: float = 1.0
    memory_bytes: int | None = None
    """The memory limit; ``None`` if none was asked for."""
    worker_count: int | None = None
    """The number of worker processes; ``None`` for one per whole vCPU."""
    period_s: float | None = None
    """The period of the CPU quota; ``None`` for the engine's default, 0.1 s."""

    @property
    def workers(self) -> int:
        """The number of worker processes: ``worker_count``, else one per whole vCPU and at least one."""
        return self.worker_count or max(1, int(self.vcpu))

    @property
    def memory(self) -> str:
        """The memory limit as ``MEMORY=`` takes it, such as ``512m``; empty without one."""
        if not self.memory_bytes:
            return ""
        whole, rest = divmod(self.memory_bytes, 1024**2)
        return f"{self.memory_bytes // 1024}k" if rest else f"{whole}m"

    @property
    def variables(self) -> dict[str, str]:
        """The variables that give this size, without those that would have their defaults."""
        vcpu = "" if self.vcpu == Size().vcpu else f"{self.vcpu:g}"
        return {name: value for name, value in (("VCPU", vcpu), ("MEMORY", self.memory)) if value}


def parse_vcpu(text: str, cores: int | None = None) -> float:
    """Return the number of vCPUs that ``VCPU=`` gives; ``UsageError`` if this machine has fewer cores.

    ``cores`` are by default those that this process may use.
    """
    cores, vcpu = cores or len(os.sched_getaffinity(0)), vcpus_of(text)
    if not SMALLEST_VCPU <= vcpu <= cores:
        raise UsageError(
            f"invalid VCPU={text}: must be a number from {SMALLEST_VCPU} to {cores} (this machine's cores)."
        )
    return vcpu


def parse_memory(text: str | None) -> int | None:
    """Return the bytes that ``MEMORY=`` names, ``None`` if it is not set; raise ``UsageError`` if it is invalid."""
    if text is None:
        return None
    size_bytes = bytes_of(text) or 0
    total_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if not SMALLEST_MEMORY_BYTES <= size_bytes <= total_bytes:
        raise UsageError(
            f"invalid MEMORY={text}: must be from {SMALLEST_MEMORY_BYTES // 1024**2}m to {total_bytes // 1024**2}m "
            "(this machine's memory), such as 512m or 1g."
        )
    return size_bytes


def vcpus_of(text: str) -> float:
    """Return the number of vCPUs that ``text`` writes; 0, which is no size, if it is not a number."""
    try:
        return parse_decimal(text.strip())
    except ValueError:
        return 0.0


def bytes_of(text: str) -> int | None:
    """Return the bytes of an amount such as ``512m`` or ``2 GB``; ``None`` unless it is a whole number with a unit."""
    parts = re.fullmatch(r"([0-9]{1,18})\s*([kmg])i?b?", text.strip().casefold())
    return None if parts is None else int(parts[1]) * 1024 ** " kmg".index(parts[2])
