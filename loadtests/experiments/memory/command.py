"""``make memory``."""

from functools import partial
from typing import Annotated, Literal

from cyclopts import Parameter

from common.catalog.sizes import Runtime
from common.cli.parameters import VCPU, StackParameters
from common.runtimes.candidates import describe_runtime, parse_size, require_local
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import Rounds, RunParameters, WorkerCounts
from loadtests.campaign.resume import resumable
from loadtests.experiments.memory.experiment import begin_memory
from loadtests.experiments.workers.experiment import parse_worker_counts


@resumable
def memory(
    stacks: StackParameters = StackParameters(),
    *,
    vcpu: Annotated[str, Parameter(help=VCPU)] = "1",
    workers: WorkerCounts = "1,2",
    limit: Annotated[
        Literal["yes", "no"], Parameter(help="Whether to search for the smallest memory limit; Docker only.")
    ] = "yes",
    rounds: Rounds = 3,
    run: RunParameters = RunParameters(),
) -> None:
    """Measure memory held idle and after 1,000 requests, by workers, and the smallest limit that suffices."""
    terminal = run.terminal()
    runtime = require_local(stacks.parse_runtime())
    size, counts = parse_size(runtime, vcpu, None), parse_worker_counts(workers)
    candidates = stacks.candidates(runtime)
    terminal.say(describe_runtime(runtime, stacks.runtime))
    begin = partial(
        begin_memory,
        candidates,
        size=size,
        workers=counts,
        limits=limit == "yes" and runtime is Runtime.DOCKER,
        runtime=runtime,
        rounds=rounds,
        messages=terminal.messages,
    )
    start("memory", begin, run, terminal)
