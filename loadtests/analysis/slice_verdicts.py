"""Verdicts on slices, and on windows that were made in them, from recorded fields alone. Pure.

Other virtual machines on the same host can slow this one down for seconds at a time, with no steal and nothing else
visible from inside. Every request then costs the generator more CPU time too, whichever server it is sent to, and so
gives away the passes in which the machine was slow.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import exp, log
from statistics import fmean, median

from common.records.load import Setup
from common.records.summary import Verdict
from common.records.window import Load, Slice, Window
from common.words import counted
from loadtests.analysis.thresholds import (
    FEWEST_SERVERS,
    MOST_FAILED_WINDOWS,
    MOST_IDLE_CPU,
    MOST_IDLING,
    MOST_LOST,
    MOST_RISE_OVER_SLICES,
    NOTABLE_THROTTLING,
    SATURATED,
    SLOWER,
)
from loadtests.analysis.values import foreign_s, throttled_share
from loadtests.statistics.intervals import mean_interval
from loadtests.users.responses import Failure

Reason = tuple[Verdict, str]
"""A verdict with what was seen and what to do."""

LOST = frozenset({Failure.CLOSED, Failure.RESET, Failure.TIMEOUT, Failure.REFUSED, Failure.NO_PORT})
"""Failures in which a connection was lost rather than answered wrongly. The machine may be the cause."""


def tolerated(windows: Sequence[Window], loads: Sequence[Load]) -> tuple[bool, bool]:
    """Return whether the failed windows, and the failed requests, are so few that the number stands."""
    failed_windows = sum(window.error is not None for window in windows)
    failures = sum((Counter(load.failures) for load in loads), Counter())
    lost = sum(failures.values())
    few_lost = failures.keys() <= LOST and lost <= MOST_LOST * sum(load.sent for load in loads)
    return failed_windows <= MOST_FAILED_WINDOWS * len(windows), few_lost


def mostly_disturbed(slices: Sequence[Slice]) -> bool:
    """Return whether over two thirds of a window's slices were disturbed, so that all of them count.

    Slices are made again until there are half as many again as planned, so at least half of those planned are left
    otherwise.
    """
    return 3 * sum(slice_.disturbed for slice_ in slices) > 2 * len(slices)


def costs(slices: Iterable[Slice]) -> dict[int, float]:
    """Return the generator's CPU-seconds per request in each pass, given the slices of one server."""
    return {slice_.number: slice_.generator_cpu_s / slice_.requests for slice_ in slices if slice_.requests}


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


def _idling_share(load: Load, setup: Setup) -> float | None:
    """Return the share of the time left to the server of a window that it used, if the load alone left it idle.

    Other work and a quota keep a server from its vCPUs whatever the load is: with eighty servers up, what the idle ones
    do takes a few percent of the core of the one under load.
    """
    held_back = mostly_disturbed(load.slices) or (throttled_share([load]) or 0.0) > NOTABLE_THROTTLING
    if held_back or not load.server_cpu_s:
        return None
    left_s = load.duration_s * len(setup.server_cores) - (foreign_s(load) or 0.0)
    share = load.server_cpu_s / min(load.duration_s * setup.size.vcpu, left_s)
    return share if share < SATURATED else None


def _rise(load: Load) -> float | None:
    """Return the logarithm of a window's rate in the second half of its slices over that in the first."""
    known = [part for part in load.slices if not part.disturbed and part.requests and part.server_cpu_s]
    if not known[1:]:
        return None
    halves = known[: len(known) // 2], known[-(len(known) // 2) :]
    first, second = (
        sum(part.requests for part in half) / sum(part.server_cpu_s or 0 for part in half) for half in halves
    )
    return log(second / first)


def warmup_reasons(loads: Sequence[Load]) -> Iterator[Reason]:
    """Yield a verdict if servers were still getting faster while they were measured."""
    warmed = [(load, load.warmup) for load in loads if load.warmup is not None]
    windows = counted(len(warmed), "window")
    cold = [warmup.duration_s for _, warmup in warmed if warmup.warm is False]
    rise = mean_interval([rise for load, _ in warmed if (rise := _rise(load)) is not None])
    if len(cold) > MOST_IDLING * len(warmed):
        seen = f"in {len(cold)} of {windows} the server was not warm after {max(cold):.0f} s of load"
    elif rise is not None and rise.low is not None and rise.low > log(1 + MOST_RISE_OVER_SLICES):
        by = f"{exp(rise.estimate) - 1:.0%}"
        seen = f"in {windows} the rate rose by {by} from the first half of the slices to the second"
    else:
        return
    yield Verdict.NOT_WARM, f"{seen}, so a server that has been up for longer is faster. Look at its start alone."


def slice_reasons(loads: Sequence[Load], setup: Setup) -> Iterator[Reason]:
    """Yield what the slices show that keeps the number from being ranked."""
    sliced = [load for load in loads if load.slices]
    often_disturbed = 2 * sum(mostly_disturbed(load.slices) for load in sliced) > len(sliced)
    if often_disturbed:
        seen = "over two thirds of the slices were disturbed by other work or by a slow machine"
        yield Verdict.DISTURBED, f"{seen}. End what else runs on this machine, and run again."
    idling = [share for load in sliced if (share := _idling_share(load, setup)) is not None]
    if len(idling) > MOST_IDLING * len(sliced):
        windows = f"in {len(idling)} of {counted(len(sliced), 'window')}"
        seen = f"{windows} the server was busy less than {SATURATED:.0%} of the time, {min(idling):.0%} in the worst"
        why = "so the load did not saturate it; a busier server serves more requests per CPU-second"
        yield Verdict.NOT_SATURATED, f"{seen}, {why}. Raise USERS."
    idle = [load.idle_cpu_share for load in sliced if load.idle_cpu_share is not None]
    if idle and (share := median(idle)) > MOST_IDLE_CPU:
        seen = f"the server used {share:.1%} of a core while others were loaded"
        yield Verdict.DISTURBED, f"{seen}, which disturbs them. Measure it with DESIGN=alone."
