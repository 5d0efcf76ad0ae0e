"""Passes in which the machine was slower than usual, as the load generator's own work shows.

What other machines on the same host do makes a virtual machine slower for seconds at a time, without steal and with
nothing to be seen inside. Then every request costs the generator more CPU time as well, whichever server it is sent to.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import log
from statistics import fmean, median

MORE = 0.05
"""How much more CPU time than usual requests cost the generator in a slow pass, on average over the servers."""
FEWEST_SERVERS = 4
"""Of fewer servers, the average says too little: in a single slice the cost varies by 4 %."""


def slow_passes(costs: Sequence[Mapping[int, float]]) -> frozenset[int]:
    """Return the numbers of the passes in which the machine was slow: fewer than half, since their median is usual.

    ``costs`` holds for each server the generator's CPU-seconds per request in each pass.
    """
    relative = defaultdict[int, list[float]](list)
    for server in filter(None, costs):
        usual = median(server.values())
        for number, cost in server.items():
            relative[number].append(log(cost / usual))
    passes = {number: fmean(logs) for number, logs in relative.items() if len(logs) >= FEWEST_SERVERS}
    if not passes:
        return frozenset()
    most = median(passes.values()) + log(1 + MORE)
    return frozenset(number for number, found in passes.items() if found > most)
