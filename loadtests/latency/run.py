"""``make latency``: stacks at sizes, and the floor under them, at a common rate, at shares of their own capacity."""

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console

from common.aws.sizes import with_minimum_memory
from common.catalog.sizes import Size
from common.conformance.candidates import LONGEST_S
from common.conformance.candidates import SIZE as CONFORMANCE_SIZE
from common.errors import UsageError
from common.records.latency import LatencyRun, Point, Traffic
from common.runtimes.approval import PlannedServer
from common.runtimes.candidates import Candidate, Runtime
from common.runtimes.nginx import Nginx, prepare_nginx, why_no_nginx
from loadtests.latency.points import CONNECTIONS, latency_traffic, longest_window_s, missing, point
from loadtests.latency.summary import summarise
from loadtests.latency.visit_rounds import Prepared, begun, prepare_run, run_visits
from loadtests.runs.manifest import WARMUP_S, Settings
from loadtests.runs.stopping import Stopping
from loadtests.scenarios.rates import Rate
from loadtests.windows.throughput import START_UP_S


def settings_of(runtime: Runtime, rounds: int, seed: int) -> Settings:
    """Settings of a run whose points bring their own size and load."""
    return Settings(
        runtime=runtime,
        scenario="hello",
        size=Size(),
        users=CONNECTIONS,
        delay_ms=0,
        stopping=Stopping(rounds=rounds, fewest_rounds=rounds),
        seed=seed,
    )


def read_common_rate(text: str) -> str:
    """The common rate that ``RATE=`` names: arrivals per second."""
    if Rate.parse(text).share is not None:
        raise UsageError(f"RATE={text} is the rate common to all: requests per second such as 100 are accepted.")
    return text


def run_latency(
    settings: Settings,
    candidates: Sequence[Candidate],
    *,
    vcpus: Sequence[float],
    memory_bytes: int | None,
    rate: str,
    out: Path | None,
    console: Console,
) -> None:
    """Measure every stack at every size that there is room for; print and write what came of it."""
    require_room(vcpus, settings.runtime)
    with begun("latency", settings.seed) as identity:
        prepared = with_floor(
            prepare_run("latency", settings, identity, candidates, console), settings.runtime, console
        )
        traffic = latency_traffic(rate)
        on_fargate = settings.runtime is Runtime.FARGATE
        points = [
            replace(
                one,
                memory_bytes=_memory_bytes(one.vcpu, memory_bytes, settings.runtime),
                **({"generator_cores": prepared.record.run.generator_cores} if on_fargate else {}),
            )
            for name in prepared.servables
            for one in points_of(name, vcpus, traffic, settings.runtime)
        ]
        run_visits(replace(prepared.record, points=points), prepared.servables, summarise, out, console)


def servers(candidates: Sequence[Candidate], sizes: Sequence[Size], rounds: int, rate: str) -> list[PlannedServer]:
    """Every server of a run, for reckoning what it costs where servers are paid for."""
    needed_s = sum(START_UP_S + WARMUP_S + longest_window_s(one) for one in latency_traffic(rate))
    held = [PlannedServer(candidate=one, size=CONFORMANCE_SIZE, needed_s=LONGEST_S) for one in candidates]
    visited = [
        PlannedServer(candidate=one, size=size, needed_s=needed_s, loaded=True) for one in candidates for size in sizes
    ]
    return [*held, *visited * rounds]


def _memory_bytes(vcpu: float, memory_bytes: int | None, runtime: Runtime) -> int | None:
    """The limit asked for; on Fargate the least that goes with the vCPUs where none was."""
    size = Size(vcpu=vcpu, memory_bytes=memory_bytes)
    return with_minimum_memory(size).memory_bytes if runtime is Runtime.FARGATE else memory_bytes


def points_of(name: str, vcpus: Sequence[float], traffic: Sequence[Traffic], runtime: Runtime) -> list[Point]:
    """A stack at each size, with as many workers as ``make loadtest`` gives it."""
    cores = sorted(os.sched_getaffinity(0))
    return [point(name, vcpu, traffic, runtime=runtime, cores=cores, workers=Size(vcpu=vcpu).workers) for vcpu in vcpus]


def require_room(vcpus: Sequence[float], runtime: Runtime) -> None:
    """``UsageError`` where none of the sizes can be measured here."""
    cores = sorted(os.sched_getaffinity(0))
    reasons = {vcpu: missing(vcpu, runtime, cores) for vcpu in vcpus}
    if all(reasons.values()):
        told = "; ".join(f"{vcpu:g}: {why}" for vcpu, why in reasons.items())
        raise UsageError(f"VCPU={','.join(f'{vcpu:g}' for vcpu in vcpus)} cannot be measured here. {told}.")


def with_floor(prepared: Prepared, runtime: Runtime, console: Console) -> Prepared:
    """The same with the floor among what can be visited, where there is one."""
    why = "it is this machine's nginx, and not on Fargate" if runtime is Runtime.FARGATE else why_no_nginx()
    if why is not None:
        console.print(f"the floor is missing: {why}")
        return prepared
    under: Nginx = prepare_nginx(docker=runtime is Runtime.DOCKER)
    run = prepared.record.run
    record: LatencyRun = replace(prepared.record, run=replace(run, cells=[*run.cells, under.cell()]))
    return Prepared(record=record, servables={**prepared.servables, under.name: under})
