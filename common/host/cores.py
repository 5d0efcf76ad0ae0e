"""Which cores the server gets and which the load generator."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """A split of the machine's cores between a server and whoever loads it."""

    server: tuple[int, ...]
    generator: tuple[int, ...]

    @property
    def shared(self) -> bool:
        """Whether the two get in each other's way."""
        return bool(set(self.server) & set(self.generator))


def split_cores(vcpu: float, available: Sequence[int] | None = None) -> Cores:
    """The first cores for a server of ``vcpu``, the rest for the generator; all for both where none would be left."""
    cores = tuple(sorted(os.sched_getaffinity(0) if available is None else available))
    wanted = math.ceil(vcpu)
    return Cores(server=cores[:wanted], generator=cores[wanted:] or cores)
