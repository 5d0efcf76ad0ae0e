"""Commands that measure stacks."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter, validators

from common.aws.sizes import parse_fargate_sizes
from common.catalog.frameworks import frameworks
from common.catalog.images import DEFAULT_PYTHON
from common.catalog.runtimes import Runtime
from common.catalog.selection import canonical, one_of
from common.catalog.sizes import Size, parse_memory
from common.catalog.stacks import DEFAULT
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
from common.conformance.candidates import LONGEST_S, SIZE
from common.console import Terminal
from common.errors import BenchmarkError, UsageError
from common.records.load import Tool
from common.records.run import Design
from common.records.summary import Summary
from common.registries.api import RegistryAddress
from common.runtimes.approval import PlannedServer, approve_cost
from common.runtimes.candidates import (
    Candidate,
    describe_runtime,
    parse_runtime,
    require_local,
    select_candidates,
)
from common.runtimes.preparation import prepare
from common.tables import Form
from loadtests.analysis import outcome
from loadtests.analysis.across_runs import repeated_rates
from loadtests.campaign.loop import Begin, start
from loadtests.campaign.stopping import parse_share, parse_stopping
from loadtests.cli.parameters import (
    VCPUS,
    AnyLoadParameters,
    GuestParameters,
    LoadParameters,
    RepeatParameters,
    Rounds,
    RunParameters,
    StoppingParameters,
    complete,
)
from loadtests.experiments.causes import begin_causes
from loadtests.experiments.compare import begin_compare, compare_runs, require_not_slower
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
from loadtests.experiments.loadtest import begin_loadtest, planned_windows, short_budget
from loadtests.experiments.memory import begin_memory
from loadtests.experiments.sides import STACK, Side
from loadtests.experiments.sizes import begin_sizes
from loadtests.experiments.startup import ROUNDS, begin_startup, parse_caches, parse_links
from loadtests.experiments.workers import begin_workers, parse_worker_counts
from loadtests.reports import repeats as repeats_report
from loadtests.web.serving import WebUi, open_web

Tasks = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000), help="Tasks of each kind, 1 to 1000.")]
CompareSide = Annotated[str, Parameter(help=f"{STACK}, ./FOLDER of a framework or a checkout, or a finished run.")]


def loadtest(
    stacks: StackParameters = StackParameters(),
    size: SizeParameters = SizeParameters(),
    load: AnyLoadParameters = AnyLoadParameters(),
    stopping: StoppingParameters = StoppingParameters(),
    run: RunParameters = RunParameters(),
    *,
    repeats: RepeatParameters = RepeatParameters(),
    guest: GuestParameters = GuestParameters(),
    fargate: OnFargate = NO_FARGATE,
) -> None:
    """Rank stacks by requests per second per vCPU, under load in shuffled rounds on fresh servers."""
    terminal = run.terminal()
    if run.resume is not None:
        complete(loadtest, locals(), terminal)
        return
    runtime = guest.parse_runtime(stacks.runtime)
    given, spec = size.parse(runtime), guest.apply_to(load.parse(), runtime)
    design = load.parse_design(spec, runtime)
    rounds, rule = stopping.parse(design)
    pause_s = repeats.parse_pause()
    if fargate.load_from_task and spec.tool is not Tool.LOCUST:
        raise UsageError(f"TOOL={spec.tool} needs LOAD_FROM=here; a second task has Locust.")
    own = guest.candidates()
    alone = own and canonical(stacks.framework) == DEFAULT
    candidates = own if alone else (*stacks.candidates(runtime, size=given, fargate=fargate), *own)
    suites = [PlannedServer(candidate=candidate, size=SIZE, needed_s=LONGEST_S) for candidate in candidates]
    # At most: the control is measured as well, and no stack drops out.
    windows = planned_windows([*candidates, candidates[0]], given, rounds)
    if not approve_cost([*suites, *windows] * repeats.repeat, terminal.say):
        return
    terminal.say(describe_runtime(runtime, runtime if own else stacks.runtime))
    if design is Design.SLICED and (warning := short_budget(len(candidates), given, rule)) is not None:
        terminal.say(warning)
    begin = begin_loadtest(
        candidates,
        load=spec,
        size=given,
        runtime=runtime,
        design=design,
        rounds=rounds,
        stopping=rule,
        messages=terminal.messages,
    )
    if repeats.repeat == 1:
        start("loadtest", begin, seed=run.seed, out=run.out, terminal=terminal)
    else:
        _repeat(begin, repeats.repeat, pause_s, run, terminal)


def _repeat(begin: Begin[Summary], count: int, pause_s: float, run: RunParameters, terminal: Terminal) -> None:
    """Carry out so many runs, each with a folder of its own, and print what they say together.

    If a run has a number that is not valid, the others are still made; the first such error is raised at the end.
    """
    summaries, failures = [], list[BenchmarkError]()
    for number in range(count):
        if number:
            time.sleep(pause_s)
        terminal.say(f"run {number + 1} of {count}")
        seed = None if run.seed is None else run.seed + number
        out = None if run.out is None else run.out / str(number + 1)
        made = start("loadtest", begin, seed=seed, out=out, terminal=terminal, on_failure=failures.append)
        summaries.append(made)
    rates = repeated_rates(summaries)
    if terminal.form is Form.JSON:
        terminal.write(msgspec.json.encode(rates).decode() + "\n")
    else:
        terminal.show(repeats_report.table(rates, count))
        for note in repeats_report.notes(rates, summaries):
            terminal.note(note)
    if failures:
        raise failures[0]


def compare(
    *,
    a: CompareSide = "",
    b: CompareSide = "",
    server: Annotated[str, Parameter(help="Server of a side that names none.")] = DEFAULT,
    runtime: Annotated[str, Parameter(help="process, docker, or auto: docker for sides that name an image.")] = "auto",
    size: SizeParameters = SizeParameters(),
    load: LoadParameters = LoadParameters(),
    rounds: Annotated[
        int | None, Parameter(validator=validators.Number(gte=1, lte=1000), help="Exactly that many rounds, 1 to 1000.")
    ] = None,
    budget: Annotated[str, Parameter(help="Time for windows, such as 90s or 15m.")] = "11m",
    margin: Annotated[str, Parameter(help="Sides within this of each other are equivalent, such as 5%.")] = "5%",
    fail_if_slower: Annotated[
        str | None, Parameter(help="Exit with status 1 where B is slower by this or more, such as 3%.")
    ] = None,
    run: RunParameters = RunParameters(),
) -> None:
    """Decide whether B is faster than A, slower, or equivalent."""
    terminal = run.terminal()
    limit = None if fail_if_slower is None else parse_share(fail_if_slower, variable="FAIL_IF_SLOWER")
    if run.resume is not None:
        pairs = complete(compare, locals(), terminal, also=frozenset({"fail_if_slower"})).pairs
    else:
        first, second = Side.parse(a, "A"), Side.parse(b, "B")
        if first.run is not None and second.run is not None:
            band = parse_share(margin, variable="MARGIN")
            pairs = compare_runs(first.run, second.run, band)
            for pair in pairs:
                terminal.results.print(outcome.sentence(pair, band), soft_wrap=True, markup=False)
        elif first.run is not None or second.run is not None:
            raise UsageError(f"A={a} and B={b} cannot be compared: must be two finished runs or two stacks.")
        else:
            if canonical(runtime) == "auto" and not (first.needs_docker() or second.needs_docker()):
                runtime = Runtime.PROCESS
            kind = require_local(parse_runtime(runtime))
            most, rule = parse_stopping(
                rounds=rounds, budget=None if rounds else budget, margin=margin, looks=outcome.LOOKS
            )
            begin = begin_compare(
                first,
                second,
                server=server,
                load=load.parse(),
                size=size.parse(kind),
                runtime=kind,
                rounds=most,
                stopping=rule,
                messages=terminal.messages,
            )
            pairs = start("compare", begin, seed=run.seed, out=run.out, terminal=terminal).pairs
    if limit is not None:
        require_not_slower(pairs, limit)


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
    if run.resume is not None:
        complete(latency, locals(), terminal)
        return
    runtime, common_rate = stacks.parse_runtime(), parse_common_rate(rate)
    if runtime is Runtime.FARGATE:
        given = parse_fargate_sizes(vcpu, memory)
    else:
        given = tuple(Size(vcpu=vcpus, memory_bytes=_memory(memory, runtime)) for vcpus in parse_vcpus(vcpu))
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


def workers_(
    stack: StackParameter = StackParameter(),
    *,
    vcpu: Annotated[str, Parameter(help=VCPUS)] = "0.25,0.5,1,2",
    workers: Annotated[str, Parameter(help="Numbers of server workers, joined by commas, 1 to 64 each.")] = "1,2,3,5",
    rounds: Rounds = 5,
    run: RunParameters = RunParameters(),
) -> None:
    """Recommend a number of server workers for one stack, by vCPU."""
    terminal = run.terminal()
    if run.resume is not None:
        complete(workers_, locals(), terminal)
        return
    runtime = require_local(stack.parse_runtime())
    vcpus, counts = parse_vcpus(vcpu), parse_worker_counts(workers)
    candidate = stack.candidate(runtime)
    terminal.say(describe_runtime(runtime, stack.runtime))
    begin = begin_workers(
        candidate, vcpus=vcpus, counts=counts, runtime=runtime, rounds=rounds, messages=terminal.messages
    )
    start("workers", begin, seed=run.seed, out=run.out, terminal=terminal)


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
    if run.resume is not None:
        complete(causes, locals(), terminal)
        return
    stack = StackParameter(framework=framework, server=server, image=image, runtime="docker", python=python)
    candidate = stack.candidate(stack.parse_runtime())
    begin = begin_causes(candidate, rounds=rounds, messages=terminal.messages)
    start("causes", begin, seed=run.seed, out=run.out, terminal=terminal)


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
        Parameter(validator=validators.Number(gte=1, lte=1000), help=f"Rounds. Default: {ROUNDS}, on Fargate {TASKS}."),
    ] = None,
    run: RunParameters = RunParameters(),
    fargate: OnFargate = NO_FARGATE,
) -> None:
    """Measure the time from start to first response, by phase; pulls of images too."""
    terminal = run.terminal()
    if run.resume is not None:
        complete(startup, locals(), terminal)
        return
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
        raise UsageError(f"MEMORY={memory} needs RUNTIME=fargate; a start here has the memory of this machine.")
    given = tuple(dict.fromkeys(Size.parse(one.strip(), None) for one in vcpu.split(",")))
    caches, links = parse_caches(cache, runtime), parse_links(bandwidth, runtime)
    for size in given:  # sizes that the runtime cannot give are refused one by one
        candidates = stacks.candidates(runtime, size=size, fargate=fargate)
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


def memory(
    stacks: StackParameters = StackParameters(),
    *,
    vcpu: Annotated[str, Parameter(help=VCPU)] = "1",
    workers: Annotated[str, Parameter(help="Numbers of server workers, joined by commas, 1 to 64 each.")] = "1,2",
    limit: Annotated[
        Literal["yes", "no"], Parameter(help="Whether to search for the smallest memory limit; Docker only.")
    ] = "yes",
    rounds: Rounds = 3,
    run: RunParameters = RunParameters(),
) -> None:
    """Measure memory held idle and after 1,000 requests, by workers, and the smallest limit that suffices."""
    terminal = run.terminal()
    if run.resume is not None:
        complete(memory, locals(), terminal)
        return
    runtime = require_local(stacks.parse_runtime())
    size, counts = Size.parse(vcpu, None), parse_worker_counts(workers)
    candidates = stacks.candidates(runtime, size=size)
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
    if run.resume is not None:
        complete(sizes, locals(), terminal)
        return
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
    processes: Annotated[
        int, Parameter(validator=validators.Number(gte=0, lte=64), help="Locust worker processes; 0 for one in all.")
    ] = 0,
) -> None:
    """Bring a stack up with Locust's web UI on it, where others can be chosen, until Ctrl-C."""
    terminal, runtime = Terminal(), require_local(stack.parse_runtime())
    given = size.parse(runtime)
    asked = stack if stack.framework else replace(stack, framework=min(frameworks()))
    candidate = asked.candidate(runtime, size=given)
    prepare([candidate], terminal.messages)
    open_web(candidate, given, WebUi(port=port, host=web_host, processes=processes), terminal, runtime=runtime)


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
    if run.resume is not None:
        complete(experiment, locals(), terminal)
        return
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


def _memory(text: str | None, runtime: Runtime) -> int | None:
    if text is not None and runtime is Runtime.PROCESS:
        raise UsageError(f"MEMORY={text} needs RUNTIME=docker; RUNTIME=process has no limits.")
    return parse_memory(text)
