"""``make workers``."""

from functools import partial
from typing import Annotated

from cyclopts import Parameter

from common.cli.parameters import StackParameter
from common.runtimes.candidates import describe_runtime, require_local
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import VCPUS, Rounds, RunParameters, WorkerCounts
from loadtests.campaign.resume import resumable
from loadtests.experiments.latency.experiment import parse_vcpus
from loadtests.experiments.workers.experiment import begin_workers, parse_worker_counts


@resumable
def workers_(
    stack: StackParameter = StackParameter(),
    *,
    vcpu: Annotated[str, Parameter(help=VCPUS)] = "0.25,0.5,1,2",
    workers: WorkerCounts = "1,2,3,5",
    rounds: Rounds = 5,
    run: RunParameters = RunParameters(),
) -> None:
    """Recommend a number of server workers for one stack, by vCPU."""
    terminal = run.terminal()
    runtime = require_local(stack.parse_runtime())
    vcpus, counts = parse_vcpus(vcpu), parse_worker_counts(workers)
    candidate = stack.candidate(runtime)
    terminal.say(describe_runtime(runtime, stack.runtime))
    begin = partial(
        begin_workers, candidate, vcpus=vcpus, counts=counts, runtime=runtime, rounds=rounds, messages=terminal.messages
    )
    start("workers", begin, run, terminal)
