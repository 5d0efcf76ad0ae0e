"""Passes in which the machine was slower than usual, as the load generator's own work shows.

Other virtual machines on the same host can slow this one down for seconds at a time, with no steal and nothing else
visible from inside. Every request then costs the generator more CPU time too, whichever server it is sent to.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import log
from statistics import fmean, median

from common.records.window import Slice

SLOWER = 0.05
"""In a slow pass, requests cost the generator more CPU time than in the median pass, by more than this share."""
FEWEST_SERVERS = 4
"""The average over fewer servers says too little, since the cost varies by 4 % from slice to slice."""


def costs(slices: Iterable[Slice]) -> dict[int, float]:
    """Return the generator's CPU-seconds per request in each pass, given the slices of one server."""
    return {one.number: one.generator_cpu_s / one.requests for one in slices if one.requests}


def slow_passes(servers: Sequence[Mapping[int, float]]) -> frozenset[int]:
    """Return the numbers of the passes in which the machine was slow, given the ``costs`` of each server.

    Passes are compared with the median pass, so fewer than half of them can be slow.
    """
    relative = defaultdict[int, list[float]](list)
    for server in filter(None, servers):
        usual = median(server.values())
        for number, cost in server.items():
            relative[number].append(log(cost / usual))
    passes = {number: fmean(logs) for number, logs in relative.items() if len(logs) >= FEWEST_SERVERS}
    if not passes:
        return frozenset()
    limit = median(passes.values()) + log(1 + SLOWER)
    return frozenset(number for number, found in passes.items() if found > limit)
