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
SLOW_PASSES = 8
"""The fewest slices planned for a slow server, each of which may last for seconds."""


class SlicedServer(Struct, frozen=True, kw_only=True):
    """A server that is up and takes its turn."""

    url: str
    network_namespace: str | None
    """The file of the network namespace in which ``url`` is reached; ``None`` for the generator's own."""
    cpu_meter: str | None
    may_compile: bool = False
    """Whether it may compile its code while it runs."""
    database_meter: str | None = None


class SliceOrder(Struct, frozen=True, kw_only=True):
    """One round: the servers, and how they are loaded. The program returns a ``Load`` for each, in the same order."""

    servers: list[SlicedServer]
    setup: Setup
    slicing: Slicing
    seed: str
    """Seeds the order of the servers in each pass."""

    def longest_s(self) -> float:
        """Return how long the program may take if everything goes as slowly as it may."""
        slow_s = _most_passes(self.slicing, SLOW_PASSES) * DRAIN_S
        slices_s = self.slicing.most_passes * 2 * self.slicing.slice_s + slow_s
        warmup_s = max(self.setup.load.warmup_s, self.setup.load.most_warmup_s)
        each_s = OPENING_S + warmup_s + DRAIN_S + slices_s
        return GRACE_S + len(self.servers) * each_s


def slicing_of(slicing: Slicing, *, users: int, responses_per_s: float) -> Slicing:
    """Return how a server that answers so many requests a second is loaded.

    Too much of a slow server's work straddles the ends of the counted part of a slice. Its slices are counted from the
    first request to the last response instead, with nothing skipped. There are fewer of them, since each lasts longer.
    """
    if responses_per_s * (slicing.slice_s - slicing.skipped_s) >= FEWEST_RESPONSES:
        return slicing
    longer = 1 + users / responses_per_s / slicing.slice_s if responses_per_s else float("inf")
    passes = min(slicing.passes, max(SLOW_PASSES, round(slicing.passes / longer)))
    return replace(slicing, passes=passes, most_passes=_most_passes(slicing, passes), skipped_s=0.0)


def _most_passes(slicing: Slicing, passes: int) -> int:
    """Return the most passes allowed when this many are planned, in the same proportion as in ``slicing``."""
    return passes * slicing.most_passes // slicing.passes
