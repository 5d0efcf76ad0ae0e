"""The order given to the program that loads several servers in turn."""

from msgspec import Struct
from msgspec.structs import replace

from common.records.load import Setup
from common.records.run import Slicing

OPENING_S = 10.0
"""The time limit for opening all connections to a server."""
DRAIN_S = 12.0
"""The longest wait for the responses of a slice; longer than the timeout of a request."""
GRACE_S = 60.0
"""The time limit for everything else that the program does."""
FEWEST_RESPONSES = 64
"""With fewer responses in the counted part of a slice, the requests in progress at its ends distort the rate."""
SLOW_PASSES, MOST_SLOW_PASSES = 8, 12
"""The fewest slices of a slow server, each of which may last for seconds, and the most where some are disturbed."""


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
        slices_s = self.slicing.most_passes * 2 * self.slicing.slice_s + MOST_SLOW_PASSES * DRAIN_S
        each_s = OPENING_S + self.setup.load.warmup_s + DRAIN_S + slices_s
        return GRACE_S + len(self.servers) * each_s


def slicing_of(slicing: Slicing, *, users: int, responses_per_s: float) -> Slicing:
    """Return how a server that answers so many requests a second is loaded.

    Too much of a slow server's work straddles the ends of the counted part of a slice. Its slices are counted from the
    first request to the last response instead, with nothing skipped. There are fewer of them, since each lasts longer.
    """
    if responses_per_s * (slicing.slice_s - slicing.skipped_s) >= FEWEST_RESPONSES:
        return slicing
    longer = 1 + users / responses_per_s / slicing.slice_s if responses_per_s else float("inf")
    return replace(
        slicing,
        passes=min(slicing.passes, max(SLOW_PASSES, round(slicing.passes / longer))),
        most_passes=min(slicing.most_passes, max(MOST_SLOW_PASSES, round(slicing.most_passes / longer))),
        skipped_s=0.0,
    )
