"""Signs that a number may be the load generator's own rather than the server's. Pure.

In a closed loop the figure is requests per CPU-second of the *server*. A generator that waits for a core only sends
less for a while, which changes that figure little; such a machine is disturbed rather than generator-bound, so run
delay is recorded but gives no verdict here. A generator that is itself busy most of the time keeps fewer requests in
flight than it claims, so its CPU time and its distance from its own ceiling are bounded.

In an open loop, and where an objective decides on steps, the figure is a response time, and any delay in the generator
is added to it. The generator must therefore get a core whenever it is ready to run; in an open loop it must also send
on time, and may reach at most half of its ceiling.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from common.records.load import Setup, Tool
from common.records.window import Load
from loadtests.analysis.thresholds import (
    BUSIEST,
    CLOSED_LOOP_SHARE,
    OPEN_LOOP_SHARE,
    RUN_DELAY,
    SEND_LAG_OF_P50,
    SEND_LAG_S,
)


def generator_limits(setup: Setup, loads: Sequence[Load]) -> Iterator[str]:
    """Yield a description of each limit that the generator reached, from the first window that shows it."""
    for check in (_too_busy, partial(_near_its_ceiling, setup), _miscounted, _starved, _late):
        reason = next((reason for load in loads if (reason := check(load))), None)
        if reason is not None:
            yield reason


def held_up(load: Load) -> str | None:
    """Return how something else kept the generator of an open loop from its core; ``None`` if nothing did.

    These are the only limits that a second attempt at the same window may be free of. Climbs are never repeated, since
    they take minutes and each of their steps is judged by itself.
    """
    return None if load.steps else _starved(load) or _late(load)


def _too_busy(load: Load) -> str | None:
    busiest = max((second.cpu_share for second in load.seconds), default=0.0)
    if busiest <= BUSIEST:
        return None
    return f"the generator used {busiest:.0%} of a core in one second, above {BUSIEST:.0%}"


def _near_its_ceiling(setup: Setup, load: Load) -> str | None:
    if setup.ceiling is None or not load.duration_s or setup.load.tool is not Tool.LOCUST:
        return None
    bound = OPEN_LOOP_SHARE if load.open_loop else CLOSED_LOOP_SHARE
    # The ceiling is a rate per core.
    most_rps = setup.ceiling.requests_per_cpu_s * setup.usable_generator_cores
    rate_rps = load.answered / load.duration_s
    if rate_rps <= bound * most_rps:
        return None
    return f"{rate_rps:,.0f} req/s are above {bound:.0%} of the {most_rps:,.0f} that the generator reaches by itself"


def _miscounted(load: Load) -> str | None:
    """Requests begun and ended may differ by those in flight at either end: at most one per connection."""
    ended = load.requests + sum(load.failures.values())
    if load.server_gone or abs(load.sent - ended) <= load.users:
        return None
    return f"{load.sent} requests were begun and {ended} ended"


def _starved(load: Load) -> str | None:
    """In a closed loop, response times matter only if they decide on a step."""
    decisive = load.duration_s and (load.open_loop or load.steps)
    own = (load.generator_run_delay_s or 0.0) / load.duration_s if decisive else 0.0
    share = max(own, *(step.generator_run_delay_share for step in load.steps if step.broken is not None), 0.0)
    if share <= RUN_DELAY:
        return None
    return f"the generator was ready and had no core for {share:.1%} of the time, above {RUN_DELAY:.0%}"


def _late(load: Load) -> str | None:
    if load.open_loop is None or load.open_loop.send_lag_s is None or load.latency_s is None:
        return None
    late_s, median_s = load.open_loop.send_lag_s.p999, load.latency_s.p50
    if late_s < max(SEND_LAG_S, SEND_LAG_OF_P50 * median_s):
        return None
    return f"one send in a thousand was {late_s * 1000:.2g} ms late or more, at a median of {median_s * 1000:.2g} ms"
