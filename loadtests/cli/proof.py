"""The proof of a capacity plan: one of its tasks, at exactly its size, under its share of the rate."""

import math
from collections.abc import Mapping
from functools import partial

from common.catalog.prices import BYTES_PER_GB
from common.catalog.sizes import Runtime
from common.console import Terminal
from common.errors import BenchmarkError, FailedError, UsageError
from common.records.capacity import Demand, TaskPlan
from common.records.load import Rate
from common.records.summary import Verdict
from common.runtimes.candidates import Candidate
from loadtests.analysis.formatting import MS_PER_S, share, with_bounds
from loadtests.board.bill import SCENARIO
from loadtests.campaign.loop import conclude, start
from loadtests.campaign.manifest import RunIdentity, run_fields
from loadtests.campaign.parameters import RunParameters
from loadtests.experiments.latency.experiment import Latency, opened, point, prepare_latency, why_no_room
from loadtests.experiments.latency.records import CONNECTIONS, LatencyRun, Traffic, TrafficRow
from loadtests.experiments.latency.visit import ARRIVALS, LONGEST_WINDOW_S
from loadtests.scenarios.scenario import MOST_USERS

ROUNDS = 5
"""The fewest fresh servers that give a valid percentile."""
WINDOW_S = 10.0
"""The shortest window, of a hundred periods of a CPU quota."""


def require_provable(demand: Demand) -> None:
    """Raise ``UsageError`` if the load of a plan is not one that can be sent at a rate."""
    for given, value in (
        (demand.scenario != SCENARIO, f"requests of {demand.scenario}"),
        (demand.sleep_share > 0, "SLEEP="),
        (demand.burst != 1, f"BURST={demand.burst:g}"),
    ):
        if given:
            raise UsageError(f"PROVE=yes sends Poisson arrivals of {SCENARIO}, not {value}: leave one out.")


def require_limits(runtime: Runtime) -> None:
    """Raise ``UsageError`` unless servers of the runtime can be given a quota and a limit of memory."""
    if runtime is not Runtime.DOCKER:
        raise UsageError(f"PROVE=yes needs RUNTIME=docker, not {runtime}, which has no limits.")


def prove(plan: TaskPlan, demand: Demand, candidate: Candidate, terminal: Terminal) -> None:
    """Bring one task of a plan up, send it its share of the rate in an open loop, and say whether it holds.

    Raise ``UsageError`` if such a task cannot be brought up here, ``FailedError`` if it does not hold the response
    time, and the error of the measurement if that is not valid.
    """
    if (reason := why_no_room(plan.size.vcpu, Runtime.DOCKER)) is not None:
        raise UsageError(f"PROVE=yes cannot bring up {plan.size.vcpu:g} vCPU: {reason}.")
    traffic = _traffic(plan, demand)
    failures = list[BenchmarkError]()
    begin = partial(_begin, plan, candidate, traffic, terminal)
    summary = start("latency", begin, RunParameters(), terminal, on_failure=failures.append)
    (row,) = summary.rows
    if failures and not is_decided(row, demand):
        raise failures[0]
    sentence = proof_sentence(plan, demand, row)
    if not holds(row, demand):
        raise FailedError(sentence)
    conclude([sentence], terminal)


def holds(row: TrafficRow, demand: Demand) -> bool:
    """Return whether the measured response times are within those that were asked for."""
    overloaded = row.verdict is Verdict.OVERLOADED or row.p99_s is None
    return not overloaded and row.p99_s is not None and row.p99_s.estimate <= demand.p99_s


def is_decided(row: TrafficRow, demand: Demand) -> bool:
    """Return whether a measurement in doubt says all the same whether the plan holds.

    Response times begin when a request is due, so what a slow generator adds is in them: they can only be too long.
    """
    return row.verdict is Verdict.OVERLOADED or (row.verdict is Verdict.GENERATOR_BOUND and holds(row, demand))


def proof_sentence(plan: TaskPlan, demand: Demand, row: TrafficRow) -> str:
    """Return what was measured beside what was planned."""
    size, outcome = plan.size, "the plan holds" if holds(row, demand) else "the plan does not hold"
    overload = "; arrivals were left unsent" if row.verdict is Verdict.OVERLOADED else ""
    measured, planned = (with_bounds(p99_s, scale=MS_PER_S, digits=1) for p99_s in (row.p99_s, plan.p99_s))
    return (
        f"{outcome}: one task of {size.vcpu:g} vCPU and {(size.memory_bytes or 0) / BYTES_PER_GB:g} GB under "
        f"{demand.rate_rps / plan.tasks:,.0f} req/s had a p99 of {measured} ms, planned {planned}, at most "
        f"{demand.p99_s * MS_PER_S:g}; it was {share(row.server_utilisation)} busy, planned {share(plan.busy)}, and "
        f"throttled for {share(row.throttled_share)} of the time{overload}."
    )


def _traffic(plan: TaskPlan, demand: Demand) -> Traffic:
    """Return one task's share of the rate, on as many connections as it may need within its response time."""
    rate_rps = demand.rate_rps / plan.tasks
    connections = min(MOST_USERS, CONNECTIONS + math.ceil(2 * rate_rps * demand.p99_s))
    window_s = min(max(ARRIVALS / rate_rps, WINDOW_S), LONGEST_WINDOW_S)
    paced = opened(Rate(rps=round(rate_rps, 3)), window_s)
    return Traffic(name=paced.name, connections=connections, rate=paced.rate, window_s=window_s)


def _begin(
    plan: TaskPlan, candidate: Candidate, traffic: Traffic, terminal: Terminal, identity: RunIdentity
) -> tuple[Latency[LatencyRun], Mapping[str, Candidate]]:
    prepared = prepare_latency([candidate], Runtime.DOCKER, terminal.messages)
    run = LatencyRun(
        **run_fields(identity, runtime=Runtime.DOCKER, rounds=ROUNDS),
        setup=prepared.setup,
        cells=prepared.cells,
        points=[point(candidate.name, plan.size, [traffic], Runtime.DOCKER)],
    )
    return Latency(run), prepared.candidates
