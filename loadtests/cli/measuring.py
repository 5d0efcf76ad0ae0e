"""Commands that measure stacks."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from cyclopts import Parameter

from common.aws.spending import parse_fargate_sizes
from common.catalog.frameworks import frameworks
from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import DEFAULT, DEFAULT_PYTHON
from common.cli.parameters import (
    FRAMEWORK,
    FRAMEWORKS,
    IMAGES,
    MEMORY,
    NO_FARGATE,
    ONE_PYTHON,
    SERVERS,
    VCPU,
    OnFargate,
    Port,
    Pythons,
    SizeParameters,
    StackParameter,
    StackParameters,
)
from common.console import Terminal
from common.errors import UsageError
from common.registries.api import RegistryAddress
from common.runtimes.candidates import (
    Candidate,
    describe_runtime,
    parse_memory_limit,
    parse_runtime,
    parse_size,
    require_local,
    select_candidates,
)
from common.runtimes.preparation import approve_cost, prepare
from common.words import one_of
from loadtests.campaign.loop import hold_machine, start
from loadtests.cli.parameters import VCPUS, Rounds, RunParameters, within
from loadtests.cli.resuming import resumable
from loadtests.experiments.causes import begin_causes
from loadtests.experiments.fargate import (
    TASKS,
    Factor,
    approve_starts,
    begin_factor,
    begin_fargate_startup,
    factor_variants,
    startup_variants,
)
from loadtests.experiments.latency import begin_latency, parse_common_rate, parse_vcpus, planned_servers
from loadtests.experiments.memory import begin_memory
from loadtests.experiments.sizes import begin_sizes
from loadtests.experiments.startup import ROUNDS, begin_startup, parse_caches, parse_links
from loadtests.experiments.workers import begin_workers, parse_worker_counts
from loadtests.web.serving import WebUi, open_web

WorkerCounts = Annotated[str, Parameter(help="Numbers of server workers, joined by commas, 1 to 64 each.")]
Tasks = Annotated[int, within(1, 1000, "Tasks of each kind, 1 to 1000.")]


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
    begin = begin_latency(
        candidates,
        vcpus=[one.vcpu for one in given],
        memory_bytes=None if memory is None else given[0].memory_bytes,
        rate=common_rate,
        runtime=runtime,
        rounds=rounds,
        messages=terminal.messages,
    )
    start("latency", begin, seed=run.seed, out=run.out, terminal=terminal)


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
    begin = begin_workers(
        candidate, vcpus=vcpus, counts=counts, runtime=runtime, rounds=rounds, messages=terminal.messages
    )
    start("workers", begin, seed=run.seed, out=run.out, terminal=terminal)


@resumable
def causes(
    *,
    framework: Annotated[str, Parameter(help=FRAMEWORK)] = "flask_restful",
    server: Annotated[str, Parameter(help="Name of one server.")] = "gunicorn-sync",
    image: Annotated[str | None, Parameter(help="Base image: fat, slim or alpine. Default: slim.")] = None,
    rounds: Rounds = 5,
    python: Annotated[str, Parameter(help=ONE_PYTHON)] = DEFAULT_PYTHON,
    run: RunParameters = RunParameters(),
) -> None:
    """Show what moves response times in a small container, one thing changed at a time; Docker only."""
    terminal = run.terminal()
    stack = StackParameter(framework=framework, server=server, image=image, runtime="docker", python=python)
    candidate = stack.candidate(stack.parse_runtime())
    begin = begin_causes(candidate, rounds=rounds, messages=terminal.messages)
    start("causes", begin, seed=run.seed, out=run.out, terminal=terminal)


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
    given = tuple(dict.fromkeys(parse_size(runtime, one.strip(), None) for one in vcpu.split(",")))
    caches, links = parse_caches(cache, runtime), parse_links(bandwidth, runtime)
    candidates = stacks.candidates(runtime, fargate=fargate)
    terminal.say(describe_runtime(runtime, stacks.runtime))
    begin = begin_startup(
        candidates,
        sizes=given,
        caches=caches,
        links=links,
        runtime=runtime,
        rounds=rounds or ROUNDS,
        messages=terminal.messages,
    )
    start("startup", begin, seed=run.seed, out=run.out, terminal=terminal)


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
    begin = begin_memory(
        candidates,
        size=size,
        workers=counts,
        limits=limit == "yes" and runtime is Runtime.DOCKER,
        runtime=runtime,
        rounds=rounds,
        messages=terminal.messages,
    )
    start("memory", begin, seed=run.seed, out=run.out, terminal=terminal)


@resumable
def sizes(
    *,
    framework: Annotated[str, Parameter(help=FRAMEWORKS)] = DEFAULT,
    server: Annotated[str, Parameter(help=SERVERS)] = DEFAULT,
    image: Annotated[str, Parameter(help=IMAGES)] = "all",
    registry: Annotated[
        str | None, Parameter(help="Registry to read images back from, HOST[:PORT][/PREFIX]; a local one unless given.")
    ] = None,
    python: Pythons = None,
    run: RunParameters = RunParameters(),
) -> None:
    """Measure the bytes of libraries and images: uncompressed, compressed, over the base; the biggest packages."""
    terminal = run.terminal()
    address = None if registry is None else RegistryAddress.parse(registry)
    runtime = parse_runtime("auto")
    candidates = select_candidates(
        framework=framework,
        server=server,
        image=image if runtime is Runtime.DOCKER else None,
        runtime=runtime,
        python=python,
    )
    begin = begin_sizes(candidates, address=address, runtime=runtime, messages=terminal.messages)
    start("sizes", begin, seed=run.seed, out=run.out, terminal=terminal)


def web(
    stack: StackParameter = StackParameter(),
    *,
    size: SizeParameters = SizeParameters(),
    port: Port = 8089,
    web_host: Annotated[
        str, Parameter(help="Address to listen on; others than this machine's own ask for a password.")
    ] = "127.0.0.1",
    processes: Annotated[int, within(0, 64, "Locust worker processes; 0 for one in all.")] = 0,
) -> None:
    """Bring a stack up with Locust's web UI on it, where others can be chosen, until Ctrl-C."""
    terminal, runtime = Terminal(), require_local(stack.parse_runtime())
    given = size.parse(runtime)
    asked = stack if stack.framework else replace(stack, framework=min(frameworks()))
    candidate = asked.candidate(runtime)
    with hold_machine("web", terminal):
        prepare([candidate], terminal.messages)
        open_web(candidate, given, WebUi(port=port, host=web_host, processes=processes), terminal, runtime=runtime)


@resumable
def experiment(
    *,
    name: Annotated[str, Parameter(help=f"Factor that is varied: {', '.join(Factor)}.")] = "",
    framework: Annotated[str, Parameter(help=FRAMEWORKS)] = "flask_restful",
    server: Annotated[str, Parameter(help=SERVERS)] = DEFAULT,
    image: Annotated[str | None, Parameter(help=f"{IMAGES} Default: all for image-size, otherwise fat.")] = None,
    vcpu: Annotated[str | None, Parameter(help=f"{VCPUS} Default: 0.25,0.5,1,2,4 for vcpu, otherwise 1.")] = None,
    memory: Annotated[str | None, Parameter(help="Memory of tasks, such as 2g; the least unless given.")] = None,
    tasks: Tasks = TASKS,
    endpoint_subnets: Annotated[str, Parameter(help="Subnets of a VPC with endpoints for ECR and S3.")] = "",
    endpoint_security_groups: Annotated[str, Parameter(help="Security groups there.")] = "",
    python: Pythons = None,
    run: RunParameters = RunParameters(),
    fargate: OnFargate = NO_FARGATE,
) -> None:
    """Measure what image size, vCPU or VPC endpoints do to the start of Fargate tasks."""
    terminal = run.terminal()
    fargate.refuse_load()
    factor = Factor(one_of(name, Factor, variable="NAME"))
    candidates = select_candidates(
        framework=framework,
        server=server,
        image=image or factor.images,
        runtime=Runtime.FARGATE,
        python=python,
        fargate=fargate,
    )
    variants = factor_variants(
        factor,
        candidates,
        vcpus=vcpu or factor.vcpus,
        memory=memory,
        endpoint_subnets=endpoint_subnets,
        endpoint_security_groups=endpoint_security_groups,
    )
    if not approve_starts(variants, tasks, terminal.messages):
        return
    begin = begin_factor(factor, variants, tasks=tasks, messages=terminal.messages)
    start(factor, begin, seed=run.seed, out=run.out, terminal=terminal)


def _startup_on_fargate(candidates: Sequence[Candidate], given: Sequence[Size], tasks: int, run: RunParameters) -> None:
    terminal = run.terminal()
    variants = startup_variants(candidates, given, {})
    if approve_starts(variants, tasks, terminal.messages, conformance=candidates):
        begin = begin_fargate_startup(candidates, given, tasks=tasks, messages=terminal.messages)
        start("startup", begin, seed=run.seed, out=run.out, terminal=terminal)
