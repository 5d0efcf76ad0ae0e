"""The verbs that probe one thing each: latency, workers, causes, startup, memory, sizes, money."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, validators

from common.aws.settings import FargateSettings
from common.aws.sizes import parse_fargate_sizes
from common.catalog.images import DEFAULT_PYTHON
from common.catalog.sizes import Size, parse_memory
from common.catalog.stacks import DEFAULT
from common.cli.app import OnFargate
from common.console import terminal
from common.errors import UsageError
from common.registries.api import RegistryAddress
from common.runtimes.approval import approve_cost
from common.runtimes.candidates import Runtime, describe_runtime, select_candidates, single_candidate
from loadtests.fargate import startup as fargate_startup
from loadtests.latency.cause_run import run_causes
from loadtests.latency.points import read_vcpus, read_workers
from loadtests.latency.run import read_common_rate, run_latency, servers, settings_of
from loadtests.latency.worker_run import run_workers
from loadtests.memory import run as memory_run
from loadtests.money.bill import Question
from loadtests.money.billing import print_bill
from loadtests.runs.manifest import new_seed
from loadtests.runs.publication import finished_run
from loadtests.runs.results import refuse_used
from loadtests.sizes.weighing import run_sizes
from loadtests.startup import run as startup_run

console = terminal()
say = partial(console.print, soft_wrap=True, markup=False)
LOCAL = FargateSettings()
"""Nothing set that only Fargate takes."""

Rounds = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))]
Amount = Annotated[float | None, Parameter(validator=validators.Number(gt=0, lte=1e9))]
Share = Annotated[float, Parameter(validator=validators.Number(gt=0, lte=1))]
Seed = Annotated[int | None, Parameter(validator=validators.Number(gte=0))]


def latency(
    *,
    framework: str = "all",
    server: str = DEFAULT,
    image: str | None = None,
    runtime: str = "auto",
    vcpu: str = "0.25,0.5,1,2",
    memory: str | None = None,
    rate: str = "100",
    rounds: Rounds = 5,
    seed: Seed = None,
    out: Path | None = None,
    python: str = DEFAULT_PYTHON,
    fargate: OnFargate = LOCAL,
) -> None:
    """Response times by vCPU: at a common rate, at shares of the stack's own capacity, one request at a time."""
    kind = Runtime.parse(runtime)
    common_rate = read_common_rate(rate)
    if kind is Runtime.FARGATE:
        sizes = parse_fargate_sizes(vcpu, memory)
    else:
        sizes = tuple(Size(vcpu=one, memory_bytes=_memory(memory, kind)) for one in read_vcpus(vcpu))
    if out is not None:
        refuse_used(out)
    candidates = select_candidates(
        framework=framework, server=server, image=image, runtime=kind, python=python, fargate=fargate
    )
    if not approve_cost(servers(candidates, sizes, rounds, common_rate), say):
        return
    console.print(describe_runtime(kind, runtime))
    run_latency(
        settings_of(kind, rounds, new_seed() if seed is None else seed),
        candidates,
        vcpus=[size.vcpu for size in sizes],
        memory_bytes=None if memory is None else sizes[0].memory_bytes,
        rate=common_rate,
        out=out,
        console=console,
    )


def workers(
    *,
    framework: str,
    server: str = DEFAULT,
    image: str | None = None,
    runtime: str = "auto",
    vcpu: str = "0.25,0.5,1,2",
    workers: str = "1,2,3,5",
    rounds: Rounds = 5,
    seed: Seed = None,
    out: Path | None = None,
    python: str = DEFAULT_PYTHON,
) -> None:
    """Numbers of workers against vCPUs for one stack, ending in a recommendation."""
    kind = Runtime.parse(runtime).local
    vcpus, counts = read_vcpus(vcpu), read_workers(workers)
    if out is not None:
        refuse_used(out)
    candidate = single_candidate(
        select_candidates(framework=framework, server=server, image=image, runtime=kind, python=python)
    )
    console.print(describe_runtime(kind, runtime))
    run_workers(
        settings_of(kind, rounds, new_seed() if seed is None else seed),
        candidate,
        vcpus=vcpus,
        workers=counts,
        out=out,
        console=console,
    )


def causes(
    *,
    framework: str = "flask_restful",
    server: str = "gunicorn-sync",
    image: str | None = None,
    rounds: Rounds = 5,
    seed: Seed = None,
    out: Path | None = None,
    python: str = DEFAULT_PYTHON,
) -> None:
    """What moves a response time in a small container, one thing changed at a time; Docker only."""
    kind = Runtime.parse("docker")
    if out is not None:
        refuse_used(out)
    candidate = single_candidate(
        select_candidates(framework=framework, server=server, image=image, runtime=kind, python=python)
    )
    run_causes(settings_of(kind, rounds, new_seed() if seed is None else seed), candidate, out, console)


def startup(
    *,
    framework: str = "all",
    server: str = DEFAULT,
    image: str | None = None,
    runtime: str = "auto",
    vcpu: str = "1",
    memory: str | None = None,  # Fargate's sizes have one
    cache: str | None = None,
    bandwidth: str = "",
    rounds: Rounds | None = None,  # 5; on Fargate 10
    seed: Seed = None,
    out: Path | None = None,
    python: str = DEFAULT_PYTHON,
    fargate: OnFargate = LOCAL,
) -> None:
    """How long every stack asked for takes to its first answer, phase by phase, and to be pulled over a link."""
    kind = Runtime.parse(runtime)
    if out is not None:
        refuse_used(out)
    if kind is Runtime.FARGATE:
        fargate.refuse_load()
        fargate_startup.refuse_local(cache=cache, bandwidth=bandwidth)
        fargate_startup.run_startup(
            select_candidates(
                framework=framework, server=server, image=image, runtime=kind, python=python, fargate=fargate
            ),
            parse_fargate_sizes(vcpu, memory),
            fargate,
            tasks=rounds or fargate_startup.TASKS,
            seed=seed,
            out=out,
            console=console,
        )
        return
    if memory is not None:
        raise UsageError(f"MEMORY={memory} needs RUNTIME=fargate; a start here has the memory of this machine.")
    settings = startup_run.Settings(
        runtime=kind,
        sizes=tuple(dict.fromkeys(Size.parse(one.strip(), None) for one in vcpu.split(","))),
        caches=startup_run.read_caches(cache, kind),
        bandwidths=startup_run.read_links(bandwidth, kind),
        rounds=rounds or startup_run.ROUNDS,
        seed=seed,
    )
    for size in settings.sizes:  # each is refused by itself where the runtime cannot give it
        candidates = select_candidates(
            framework=framework,
            server=server,
            image=image,
            runtime=kind,
            python=python,
            size=size,
            fargate=fargate,
        )
    console.print(describe_runtime(kind, runtime))
    startup_run.run_startup(settings, candidates, out, console)


def memory(
    *,
    framework: str = "all",
    server: str = DEFAULT,
    image: str | None = None,
    runtime: str = "auto",
    vcpu: str = "1",
    workers: str = "1,2",
    limit: Literal["yes", "no"] = "yes",
    rounds: Rounds = 3,
    seed: Seed = None,
    out: Path | None = None,
    python: str = DEFAULT_PYTHON,
) -> None:
    """What every stack asked for holds when idle and after 1,000 requests, and the smallest limit it passes under."""
    kind = Runtime.parse(runtime).local
    settings = memory_run.Settings(
        runtime=kind,
        size=Size.parse(vcpu, None),
        workers=memory_run.read_workers(workers),
        limit=limit == "yes" and kind is Runtime.DOCKER,
        rounds=rounds,
        seed=seed,
    )
    if out is not None:
        refuse_used(out)
    candidates = select_candidates(
        framework=framework, server=server, image=image, runtime=kind, python=python, size=settings.size
    )
    console.print(describe_runtime(kind, runtime))
    memory_run.run_memory(settings, candidates, out, console)


def sizes(
    *,
    framework: str = "all",
    server: str = DEFAULT,
    image: str = "all",
    registry: str | None = None,
    out: Path | None = None,
    python: str = DEFAULT_PYTHON,
) -> None:
    """What libraries and images weigh. Without an engine, libraries alone."""
    fargate = None if registry is None else RegistryAddress.parse(registry)
    if out is not None:
        refuse_used(out)
    kind = Runtime.parse("auto")
    flavours = image if kind is Runtime.DOCKER else None
    chosen = select_candidates(framework=framework, server=server, image=flavours, runtime=kind, python=python)
    run_sizes(chosen, fargate, out, console)


def money(*, run: str = "latest", rate: Amount = None, p99: Amount = None, utilisation: Share = 0.5) -> None:
    """A finished run in dollars; ``P99`` is in milliseconds and wants a ``RATE``."""
    if p99 is not None and rate is None:
        raise UsageError(f"P99={p99:g} says how fast; RATE= has to say how much. Accepted: both.")
    question = Question(utilisation=utilisation, rate_rps=rate, p99_s=None if p99 is None else p99 / 1000)
    print_bill(finished_run(run), question, console)


def _memory(text: str | None, runtime: Runtime) -> int | None:
    if text is not None and runtime is Runtime.PROCESS:
        raise UsageError(f"MEMORY={text} needs RUNTIME=docker; RUNTIME=process has no limits.")
    return parse_memory(text)


VERBS: tuple[Callable[..., None], ...] = (latency, workers, causes, startup, memory, sizes, money)
