"""The order given to the program that loads several servers in turn."""

from msgspec import Struct

from common.records.load import Setup
from common.records.run import Slicing

OPENING_S = 10.0
"""The time limit for opening all connections to a server."""
DRAIN_S = 12.0
"""The longest wait for the responses of a slice; longer than the timeout of a request."""
GRACE_S = 60.0
"""The time limit for everything else that the program does."""


class SlicedServer(Struct, frozen=True, kw_only=True):
    """A server that is up and takes its turn."""

    url: str
    network_namespace: str | None
    """The file of the network namespace in which ``url`` is reached; ``None`` for the generator's own."""
    cpu_meter: str | None


class SliceOrder(Struct, frozen=True, kw_only=True):
    """One round: the servers, and how they are loaded. The program returns a ``Load`` for each, in the same order."""

    servers: list[SlicedServer]
    setup: Setup
    slicing: Slicing
    seed: str
    """Seeds the order of the servers in each pass."""

    def longest_s(self) -> float:
        """Return how long the program may take if everything goes as slowly as it may."""
        slices_s = self.slicing.most_passes * 2 * self.slicing.slice_s
        each_s = OPENING_S + self.setup.load.warmup_s + DRAIN_S + slices_s
        return GRACE_S + len(self.servers) * each_s
