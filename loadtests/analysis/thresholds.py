"""The thresholds by which a result counts, two stacks differ, and a run ends. Pure."""

# The load generator's own limits.

BUSIEST = 0.8
"""The share of a core, in any one second, above which the result may be the generator's own limit."""
CLOSED_LOOP_SHARE = 0.8
OPEN_LOOP_SHARE = 0.5
"""The shares of its own ceiling that the generator may reach."""
GENERATOR_CEILING = 0.8
"""The share of the cores that it can use above which the result may be the generator's own limit."""
DATABASE_CEILING = 0.9
"""The share of their cores that generator and databases use together above which the result may be a database's."""
RUN_DELAY = 0.02
SEND_LAG_S = 0.001
SEND_LAG_OF_P50 = 0.1
"""99.9 % of sends must be late by less than ``SEND_LAG_S`` or by less than this share of the median response time."""
MOST_ATTEMPTS = 4
"""The most attempts at a window of an open loop while something else keeps the generator from its core."""
LITTLES_LAW_TOLERANCE = 0.05
UNSENT_TOLERANCE = 0.01
"""The share of an open loop's arrivals that may be unsent when the window ends."""

# The machine.

MOST_STEAL = 0.05
"""The share of the cores' time that the hypervisor may take from a slice or a window."""
MOST_OTHERS = 0.10
"""Share of the cores' time that others may take before a slice is made again; readings are exact to a tick of 4 ms."""
MOST_FOREIGN = 0.25
"""A share of the server's cores. Requests per CPU-second stay right to a few percent above it, but not reliably."""
MOST_WAITED = 0.5
SLOWER = 0.05
"""In a slow pass, requests cost the generator more CPU time than in the median pass, by more than this share."""
FEWEST_SERVERS = 4
"""The average over fewer servers says too little, since the cost varies by 4 % from slice to slice."""

# The server.

SATURATED = 0.95
"""Share of its vCPUs that a closed loop keeps a server busy, unless something else holds it back."""
MOST_IDLING = 0.2
"""Share of windows in which a server may be less busy than that, or not warm: a pause of the machine may cause one."""
MOST_RISE = 0.02
"""Share by which the rate of a warm server may rise from one quarter of its warm-up to the next."""
MOST_RISE_OVER_SLICES = 0.05
"""Share by which it may rise from the first half of its slices to the second."""
NOTABLE_WARMUP_S = 1.0
"""The load until a server is warm that is worth a remark of its own."""
MOST_FAILED_WINDOWS = 0.1
"""Share of windows without a number, such as a failed start in twenty, that leaves the others as they are."""
MOST_LOST = 1e-4
"""Share of requests whose connection may be lost: a harness that runs for hours loses one now and then."""
MOST_REOPENED = 2e-3
"""Reopened connections a request that leave the number as it is: some servers close each after a thousand requests."""
NOTABLE_THROTTLING = 0.01
"""Share of the time in which its quota holds a server back that shows in response times and prevents saturation."""
MOST_IDLE_CPU = 0.02
"""CPU time a second that a server may use while others are loaded."""
NOTABLE_IDLE_CPU = 0.005
"""CPU time a second of an idle server that is worth a remark."""

# Decisions, and the end of a run.

FEWEST_ROUNDS = 5
LOOKS = (5, 8, 12, 16, 20)
"""The numbers of rounds after which stacks of a load test are compared."""
SLICED_LOOKS = (5, 8, 12)
"""The same of a sliced load test."""
COMPARISON_LOOKS = (5, 10, 18, 30, 48)
"""The same of a comparison: small differences need more rounds than rankings do."""
MARGIN = 0.05
"""Stacks within this share of each other are equivalent."""
ALPHA = 0.05
FALSE_ALARMS = 0.02
"""The largest share of runs on a perfect machine that may rank nothing because a copy seems to differ by chance.

Stricter than the level of a comparison: at 5 % for each of two copies, chance would set aside one run in ten.
"""
FEWEST_CHANCE = 0.2
"""A pair of a sliced run is given up only if the rounds left decide it with a lower probability than this."""
MOST_PRECISE_ROUNDS = 100
"""The most rounds of a run that ends once its intervals are narrow enough."""
MOST_SHARE = 0.5
"""A wider interval or margin would be meaningless."""
