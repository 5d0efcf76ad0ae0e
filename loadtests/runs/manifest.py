"""A run's manifest: what is going to be measured, on what, how."""

import hashlib
import random
import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, assert_never

from msgspec.structs import replace

from common.catalog.servers import command
from common.catalog.sizes import Size
from common.engine.bases import is_stand_in
from common.engine.client import engine
from common.engine.labels import BASE, BASE_DIGEST
from common.errors import UsageError
from common.host.cores import Cores, split_cores
from common.host.machine import machine, revision
from common.packages.variants import source_digest
from common.records.run import Cell, Conformance, Run
from common.runtimes import installed
from common.runtimes.candidates import Candidate, Runtime
from common.runtimes.container import can_enter_namespaces
from common.runtimes.fargate import GENERATOR_SIZE
from loadtests.runs.stopping import Stopping
from loadtests.scenarios.climb import Objective
from loadtests.scenarios.rates import Rate
from loadtests.users.arrivals import Arrivals
from loadtests.windows.generator import CLIMBING, Tool, refuse

OPEN_LOOPS = frozenset({"rate", "ramp"})
DEFAULT_RATES = {"rate": "50%", "ramp": "500"}
WARMUP_S = 1.0
WINDOW_S = 2.0
SECOND_TASK = "the network between two tasks in the same subnets"
"""How load from a task reaches a server in another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run is made, as its user set it."""

    runtime: Runtime
    scenario: str
    size: Size
    users: int
    delay_ms: int
    stopping: Stopping
    seed: int
    tool: Tool = Tool.LOCUST
    workers: int = 0
    """Locust's worker processes; 0 for one process that does it all."""
    rate: str | None = None
    arrivals: Arrivals | None = None
    objective: str | None = None

    def __post_init__(self) -> None:
        """``UsageError`` where a value does not fit the scenario."""
        refuse(self.tool, self.workers, self.scenario)
        for name, value, scenarios in (
            ("RATE", self.rate, OPEN_LOOPS),
            ("ARRIVALS", self.arrivals, OPEN_LOOPS),
            ("OBJECTIVE", self.objective, CLIMBING),
        ):
            if value is not None and self.scenario not in scenarios:
                raise UsageError(
                    f"{name}={value} needs SCENARIO={' or '.join(sorted(scenarios))}, not {self.scenario}."
                )
        if self.rate is not None and Rate.parse(self.rate).share is not None and self.scenario == "ramp":
            raise UsageError(f"RATE={self.rate} is where the ramp begins: requests per second are accepted, no share.")
        if self.objective is not None:
            Objective.parse(self.objective)

    @property
    def asked_rate(self) -> str | None:
        """The rate asked for, or the one that the scenario has by itself."""
        return self.rate or DEFAULT_RATES.get(self.scenario)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a run is called, and when it began."""

    id: str
    started_at: datetime

    @classmethod
    def of(cls, seed: int) -> "Identity":
        """That of a run that begins now."""
        now = datetime.now(UTC)
        return cls(id=f"{now:%Y%m%dT%H%M%SZ}-{seed}", started_at=now)


def new_seed() -> int:
    """A seed for a run whose user gave none."""
    return secrets.randbelow(2**31)


def manifest(
    settings: Settings,
    candidates: Sequence[Candidate],
    outcomes: Mapping[str, Conformance],
    identity: Identity,
    *,
    design: str = "rounds",
) -> Run:
    """The record of a run that begins now."""
    cells = [cell_of(candidate, outcomes.get(candidate.name)) for candidate in candidates]
    if design == "rounds":
        cells += control(cells, settings.seed)
    load_from_task = any(one.fargate is not None and one.fargate.load_from_task for one in candidates)
    cores = _cores(settings, load_from_task=load_from_task)
    docker = settings.runtime is Runtime.DOCKER
    stopping = settings.stopping
    return Run(
        id=identity.id,
        started_at=identity.started_at,
        revision=revision(),
        command_line=[called()],
        seed=settings.seed,
        design=design,
        rounds=stopping.rounds,
        fewest_rounds=stopping.fewest_rounds,
        looks=list(stopping.looks),
        budget_s=stopping.budget_s,
        precision=stopping.precision,
        margin=stopping.margin,
        runtime=settings.runtime,
        scenario=settings.scenario,
        users=settings.users,
        delay_ms=settings.delay_ms,
        vcpu=settings.size.vcpu,
        memory_bytes=settings.size.memory_bytes,
        server_cores=list(cores.server),
        generator_cores=list(cores.generator),
        warmup_s=WARMUP_S,
        window_s=WINDOW_S,
        load_path=SECOND_TASK if load_from_task else _load_path(settings.runtime),
        tool=settings.tool,
        workers=settings.workers,
        rate=settings.asked_rate,
        arrivals=(settings.arrivals or Arrivals.CONSTANT) if settings.scenario in OPEN_LOOPS else None,
        objective=settings.objective,
        machine=machine(engine_name() if docker else None),
        cells=cells,
    )


def control(cells: Sequence[Cell], seed: int) -> list[Cell]:
    """A second copy of one conforming cell, which must tie with it; none where none conforms."""
    conforming = [cell for cell in cells if cell.conformance is None or not cell.conformance.failed]
    if not conforming:
        return []
    chosen = random.Random(seed).choice(conforming)  # noqa: S311 -- not for secrets
    return [replace(chosen, name=f"{chosen.name}#2", control_of=chosen.name)]


def called() -> str:
    """How this process was called, in one line."""
    return shlex.join(sys.orig_argv)


def cell_of(candidate: Candidate, conformance: Conformance | None) -> Cell:
    """The record of a candidate, with versions read back from what it runs."""
    framework, server = candidate.stack.framework, candidate.stack.server
    packages = installed.packages(candidate)
    return Cell(
        name=candidate.name,
        framework=framework.name,
        title=framework.title,
        version=packages.get(framework.distribution or "", framework.version),
        interface=framework.interface,
        server=server.name,
        server_packages=list(server.needs(framework.interface)),
        lock_sha256=hashlib.sha256(framework.lock.read_bytes()).hexdigest(),
        packages=dict(packages),
        source_digest=source_digest(framework.folder),
        command=list(command(framework, server, host="{host}", port="{port}", workers="{workers}")),
        keep_alive=server.keep_alive,
        conformance=conformance,
        python=installed.python(candidate),
        **_image(candidate),
    )


def _image(candidate: Candidate) -> dict[str, Any]:
    if candidate.image is None or candidate.tag is None:
        return {}
    if candidate.fargate is not None:
        return {"image": candidate.image.name, "image_tag": candidate.tag, "python_asked": candidate.python}
    return {
        "image": candidate.image.name,
        "image_tag": candidate.tag,
        "image_id": (found := engine().images.get(candidate.tag)).id,
        "base": found.labels.get(BASE),
        "base_digest": found.labels.get(BASE_DIGEST),
        "stand_in_base": is_stand_in(candidate.tag),
        "python_asked": candidate.python,
    }


def engine_name() -> str:
    """Version and storage driver of the engine."""
    info = engine().info()
    return f"{info['ServerVersion']} ({info['Driver']})"


def _cores(settings: Settings, *, load_from_task: bool) -> Cores:
    """Of this machine; a task has cores of its own elsewhere, and so has the generator ``beside`` it."""
    if load_from_task:
        return Cores(server=(), generator=tuple(range(int(GENERATOR_SIZE.vcpu))))
    return split_cores(0 if settings.runtime is Runtime.FARGATE else settings.size.vcpu)


def _load_path(runtime: Runtime) -> str:
    match runtime:
        case Runtime.PROCESS:
            return "loopback"
        case Runtime.DOCKER:
            return "the container's network namespace" if can_enter_namespaces() else "the host's network"
        case Runtime.FARGATE:
            return "the network between this machine and AWS"
        case _ as unreachable:
            assert_never(unreachable)
