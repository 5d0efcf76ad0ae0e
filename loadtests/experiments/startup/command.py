"""``make startup``."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from cyclopts import Parameter

from common.aws.spending import parse_fargate_sizes
from common.catalog.sizes import Runtime, Size
from common.cli.parameters import NO_FARGATE, OnFargate, StackParameters
from common.errors import UsageError
from common.runtimes.candidates import Candidate, describe_runtime, parse_size
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import VCPUS, RunParameters, within
from loadtests.campaign.resume import resumable
from loadtests.experiments.fargate.experiment import TASKS, approve_starts, begin_fargate_startup, startup_variants
from loadtests.experiments.startup.experiment import ROUNDS, begin_startup, parse_caches, parse_links


@resumable
def startup(
    stacks: StackParameters = StackParameters(),
    *,
    vcpu: Annotated[str, Parameter(help=VCPUS)] = "1",
    memory: Annotated[str | None, Parameter(help="Memory of Fargate tasks, such as 2g.")] = None,
    cache: Annotated[
        str | None, Parameter(help="Page cache before a start: warm, cold or all. Default: all in docker.")
    ] = None,
    bandwidth: Annotated[
        str, Parameter(help="Links to pull images over, joined by commas, such as 100mbit,1gbit,full.")
    ] = "",
    rounds: Annotated[
        int | None,
        within(1, 1000, f"Rounds. Default: {ROUNDS}, on Fargate {TASKS}."),
    ] = None,
    run: RunParameters = RunParameters(),
    fargate: OnFargate = NO_FARGATE,
) -> None:
    """Measure the time from start to first response, by phase; pulls of images too."""
    terminal = run.terminal()
    runtime = stacks.parse_runtime()
    fargate.refuse_load()
    if runtime is Runtime.FARGATE:
        for variable, value in (("CACHE", cache), ("BANDWIDTH", bandwidth)):
            if value:
                raise UsageError(f"{variable}={value} needs RUNTIME=docker; on Fargate every machine is a fresh one.")
        candidates = stacks.candidates(runtime, fargate=fargate)
        _startup_on_fargate(candidates, parse_fargate_sizes(vcpu, memory), rounds or TASKS, run)
        return
    if memory is not None:
        raise UsageError(
            f"MEMORY={memory} needs RUNTIME=fargate; in Docker a start gets half of the machine's memory, and as a "
            "process all of it."
        )
    given = tuple(dict.fromkeys(parse_size(runtime, text.strip(), None) for text in vcpu.split(",")))
    caches, links = parse_caches(cache, runtime), parse_links(bandwidth, runtime)
    candidates = stacks.candidates(runtime, fargate=fargate)
    terminal.say(describe_runtime(runtime, stacks.runtime))
    begin = partial(
        begin_startup,
        candidates,
        sizes=given,
        caches=caches,
        links=links,
        runtime=runtime,
        rounds=rounds or ROUNDS,
        messages=terminal.messages,
    )
    start("startup", begin, run, terminal)


def _startup_on_fargate(candidates: Sequence[Candidate], given: Sequence[Size], tasks: int, run: RunParameters) -> None:
    terminal = run.terminal()
    variants = startup_variants(candidates, given, {})
    if approve_starts(variants, tasks, terminal.messages, conformance=candidates):
        begin = partial(begin_fargate_startup, candidates, given, tasks=tasks, messages=terminal.messages)
        start("startup", begin, run, terminal)
