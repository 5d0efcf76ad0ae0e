"""``make latency``."""

from functools import partial
from typing import Annotated

from cyclopts import Parameter

from common.aws.spending import parse_fargate_sizes
from common.catalog.sizes import Runtime, Size
from common.cli.parameters import MEMORY, NO_FARGATE, OnFargate, StackParameters
from common.runtimes.candidates import describe_runtime, parse_memory_limit
from common.runtimes.preparation import approve_cost
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import VCPUS, Rounds, RunParameters
from loadtests.campaign.resume import resumable
from loadtests.experiments.latency.experiment import begin_latency, parse_common_rate, parse_vcpus, planned_servers


@resumable
def latency(
    stacks: StackParameters = StackParameters(),
    *,
    vcpu: Annotated[str, Parameter(help=VCPUS)] = "0.25,0.5,1,2",
    memory: Annotated[str | None, Parameter(help=MEMORY)] = None,
    rate: Annotated[str, Parameter(help="Arrivals per second common to all stacks.")] = "100",
    rounds: Rounds = 5,
    run: RunParameters = RunParameters(),
    fargate: OnFargate = NO_FARGATE,
) -> None:
    """Measure response times by vCPU: at a common rate, at shares of each stack's capacity, one request at a time."""
    terminal = run.terminal()
    runtime, common_rate = stacks.parse_runtime(), parse_common_rate(rate)
    if runtime is Runtime.FARGATE:
        given = parse_fargate_sizes(vcpu, memory)
    else:
        limit_bytes = parse_memory_limit(runtime, memory)
        given = tuple(Size(vcpu=vcpus, memory_bytes=limit_bytes) for vcpus in parse_vcpus(vcpu))
    candidates = stacks.candidates(runtime, fargate=fargate)
    if not approve_cost(planned_servers(candidates, given, rounds, common_rate), terminal.say):
        return
    terminal.say(describe_runtime(runtime, stacks.runtime))
    begin = partial(
        begin_latency,
        candidates,
        vcpus=[size.vcpu for size in given],
        memory_bytes=None if memory is None else given[0].memory_bytes,
        rate=common_rate,
        runtime=runtime,
        rounds=rounds,
        messages=terminal.messages,
    )
    start("latency", begin, run, terminal)
