"""The division of cores between server and load generator."""

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CPUS = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """A split of the machine's cores between a server and the generator that loads it."""

    server: tuple[int, ...]
    generator: tuple[int, ...]
    split_siblings: bool = False
    """Whether hardware threads of one physical core are on both sides, so that each side slows the other."""

    @property
    def shared(self) -> bool:
        """Whether server and generator compete for a core."""
        return bool(set(self.server) & set(self.generator))


def split_cores(
    vcpu: float, available: Sequence[int] | None = None, *, siblings: Mapping[int, Collection[int]] | None = None
) -> Cores:
    """Give a server as many cores as its ``vcpu`` takes, and the generator the rest.

    The rest is without hardware threads of the server's physical cores, if that leaves the generator any; if no cores
    are left at all, both get all of them. ``available`` is by default what this process may use.
    """
    cores = sorted(os.sched_getaffinity(0) if available is None else available)
    groups = _sibling_groups(cores, thread_siblings(cores) if siblings is None else siblings)
    ordered = [core for group in groups for core in group]
    server = set(ordered[: math.ceil(vcpu)])
    rest = [core for group in groups if not server & set(group) for core in group]
    split = not rest and len(server) < len(cores)
    generator = rest or [core for core in cores if core not in server] or cores
    return Cores(server=tuple(sorted(server)), generator=tuple(sorted(generator)), split_siblings=split)


def thread_siblings(cores: Sequence[int], *, cpus: Path = CPUS) -> dict[int, tuple[int, ...]]:
    """Return the hardware threads of each core's physical core, itself included, as this machine shows them.

    A virtual machine may show none although the host's cores have them.
    """
    return {core: _siblings(core, cpus) for core in cores}


def _siblings(core: int, cpus: Path) -> tuple[int, ...]:
    try:
        return parse_cpu_list((cpus / f"cpu{core}" / "topology" / "thread_siblings_list").read_text())
    except OSError:
        return (core,)


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Return the cores in the kernel's notation for lists, such as ``0-2,8``."""
    ranges = [part.partition("-") for part in text.strip().split(",") if part]
    return tuple(core for first, _, last in ranges for core in range(int(first), int(last or first) + 1))


def _sibling_groups(cores: Sequence[int], siblings: Mapping[int, Collection[int]]) -> list[tuple[int, ...]]:
    """Return the available cores by physical core, the largest groups first.

    A server that is filled up from the largest groups touches the fewest, so if any way leaves the generator a physical
    core of its own, this one does.
    """
    groups = {tuple(sorted({core, *siblings.get(core, ())} & set(cores))) for core in cores}
    return sorted(groups, key=lambda group: (-len(group), group))
