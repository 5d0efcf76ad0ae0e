"""The verbs about the load generator itself: crosscheck, bench-generator, master, worker, generator."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from common.catalog.images import DEFAULT_PYTHON
from common.catalog.selection import one_of
from common.catalog.sizes import Size
from common.catalog.stacks import DEFAULT
from common.console import terminal
from common.contract import MAX_DELAY_MS
from common.registries.api import RegistryAddress
from common.registries.pushing import registry_pusher
from common.runtimes.candidates import Runtime, describe_runtime, select_candidates, single_candidate
from loadtests.generator.bench_generator import bench
from loadtests.generator.crosscheck import crosscheck
from loadtests.generator.generator_image import TAG, build_generator
from loadtests.generator.joining import Plan, address, follow, lead
from loadtests.runs.manifest import Settings, new_seed
from loadtests.runs.results import refuse_used
from loadtests.runs.stopping import Stopping
from loadtests.windows.generator import CLIMBING, Tool, refuse
from loadtests.windows.throughput import SCENARIOS
from loadtests.windows.wrk import require_wrk

console = terminal()

Users = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=10_000))]
Rounds = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))]
Delay = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=MAX_DELAY_MS))]
Workers = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=1000))]
Seconds = Annotated[float, Parameter(validator=validators.Number(gte=0, lte=3600))]
Seed = Annotated[int | None, Parameter(validator=validators.Number(gte=0))]


def crosscheck_verb(
    *,
    framework: str,
    server: str = DEFAULT,
    image: str | None = None,
    runtime: str = "auto",
    scenario: str = "hello",
    vcpu: str = "1",
    memory: str | None = None,
    users: Users = 16,
    delay: Delay = 100,
    rounds: Rounds = 8,
    seed: Seed = None,
    out: Path | None = None,
    python: str = DEFAULT_PYTHON,
) -> None:
    """One stack loaded by ours and by wrk in turn, on fresh servers; the ratio of what they say."""
    require_wrk()
    refuse(Tool.WRK, 0, scenario)
    settings = Settings(
        runtime=Runtime.parse(runtime),
        scenario=one_of(scenario, SCENARIOS, variable="SCENARIO"),
        size=Size.parse(vcpu, memory),
        users=users,
        delay_ms=delay,
        stopping=Stopping.parse(rounds=rounds, budget=None, precision=None, margin="5%"),
        seed=new_seed() if seed is None else seed,
    )
    if out is not None:
        refuse_used(out)
    found = select_candidates(
        framework=framework, server=server, image=image, runtime=settings.runtime, python=python, size=settings.size
    )
    console.print(describe_runtime(settings.runtime, runtime))
    crosscheck(settings, single_candidate(found), out, console)


def bench_generator(
    *,
    rounds: Rounds = 5,
    seconds: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=60))] = 2,
    seed: Seed = None,
) -> None:
    """Requests per CPU-second of each load generator that is here, against a trivial server."""
    bench(rounds, seconds, seed, console)


def master(
    *,
    url: str,
    expect: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))],
    scenario: str = "hello",
    users: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1_000_000))] = 64,
    delay: Delay = 100,
    warmup: Seconds = 2,
    window: Seconds = 10,
    bind: str = "127.0.0.1:5557",
    patience: Seconds = 300,
    out: Path | None = None,
) -> None:
    """One window on a server that somebody else started, by workers that join from elsewhere."""
    lead(
        Plan(
            url=url,
            expect=expect,
            scenario=one_of(scenario, [one for one in SCENARIOS if one not in CLIMBING], variable="SCENARIO"),
            users=users,
            delay_ms=delay,
            warmup_s=warmup,
            window_s=window,
            bind=address(bind, variable="BIND"),
            patience_s=patience,
        ),
        out,
        console,
    )


def worker(
    *,
    master: str,
    workers: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))] = 1,
    patience: Seconds = 300,
) -> None:
    """Workers that join a master, make load as they are told, and end with it."""
    follow(address(master, variable="MASTER"), workers, patience, console)


def generator(*, registry: str = "", python: str = DEFAULT_PYTHON) -> None:
    """The image that masters, workers and second tasks run in; with ``REGISTRY=`` it is pushed there as well."""
    with (
        registry_pusher(RegistryAddress.parse(registry)) if registry else nullcontext() as ready
    ):  # told before anything is built
        image = build_generator(python, console)
        console.print(f"built {image}")
        if ready is not None:
            console.print(str(ready.push(f"{TAG}:latest", image_id=image)), soft_wrap=True)


VERBS: dict[str, Callable[..., None]] = {
    "crosscheck": crosscheck_verb,
    "bench-generator": bench_generator,
    "master": master,
    "worker": worker,
    "generator": generator,
}
