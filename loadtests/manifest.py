"""A run's manifest: what is going to be measured, on what, how."""

import hashlib
import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from common.bases import is_stand_in
from common.candidates import Candidate, Runtime
from common.cores import split
from common.engine import engine
from common.machine import machine, revision
from common.matrix import Size
from common.records import Cell, Conformance, Run
from common.runtimes.container import can_enter_namespaces

WARMUP_S = 1.0
WINDOW_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run is made, as its user set it."""

    runtime: Runtime
    scenario: str
    size: Size
    users: int
    delay_ms: int
    rounds: int
    seed: int | None


def manifest(settings: Settings, candidates: Sequence[Candidate], outcomes: Mapping[str, Conformance]) -> Run:
    """The record of a run that begins now."""
    now = datetime.now(UTC)
    cores = split(settings.size.vcpu)
    seed = secrets.randbelow(2**31) if settings.seed is None else settings.seed
    docker = settings.runtime is Runtime.DOCKER
    return Run(
        id=f"{now:%Y%m%dT%H%M%SZ}-{seed}",
        started_at=now,
        revision=revision(),
        command_line=[shlex.join(sys.orig_argv)],
        seed=seed,
        rounds=settings.rounds,
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
        load_path=_load_path(docker=docker),
        machine=machine(_engine() if docker else None),
        cells=[_cell(candidate, outcomes.get(candidate.name)) for candidate in candidates],
    )


def _cell(candidate: Candidate, conformance: Conformance | None) -> Cell:
    framework, server = candidate.stack.framework, candidate.stack.server
    return Cell(
        name=candidate.name,
        framework=framework.name,
        title=framework.title,
        version=framework.version,
        interface=framework.interface,
        server=server.name,
        server_packages=list(server.needs(framework.interface)),
        lock_sha256=hashlib.sha256(framework.lock.read_bytes()).hexdigest(),
        keep_alive=server.keep_alive,
        conformance=conformance,
        **_image(candidate),
    )


def _image(candidate: Candidate) -> dict[str, Any]:
    if candidate.image is None or candidate.tag is None:
        return {"python": sys.version.split()[0]}
    image = engine().images.get(candidate.tag)
    environment = dict(one.split("=", 1) for one in image.attrs["Config"]["Env"])
    return {
        "image": candidate.image.name,
        "image_id": image.id,
        "stand_in_base": is_stand_in(candidate.tag),
        "python": environment.get("PYTHON_VERSION", candidate.python),
    }


def _engine() -> str:
    info = engine().info()
    return f"{info['ServerVersion']} ({info['Driver']})"


def _load_path(*, docker: bool) -> str:
    if not docker:
        return "loopback"
    return "the container's network namespace" if can_enter_namespaces() else "the host's network"
