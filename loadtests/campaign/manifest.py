"""A run's manifest: what will be measured, how, and on which machine."""

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
from common.catalog.sizes import Runtime, Size
from common.engine.bases import configured, is_stand_in
from common.engine.builds import BASE, BASE_DIGEST, image_size_bytes
from common.engine.client import engine
from common.host.cores import Cores, split_cores
from common.host.machine import machine, revision
from common.packages.checkouts import source_digest
from common.records.load import LoadSpec, Setup
from common.records.run import SECOND_TASK_PATH, Behaviour, Cell, Conformance, Guest, YesOrNo
from common.runtimes import database
from common.runtimes.candidates import Candidate, compiled_for, installed_packages, installed_python
from common.runtimes.container import can_enter_namespaces
from common.runtimes.fargate import GENERATOR_SIZE
from loadtests.analysis.values import conforms


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """A run's id, start time and seed."""

    id: str
    started_at: datetime
    seed: int

    @classmethod
    def new(cls, name: str, seed: int | None) -> "RunIdentity":
        """Return the identity of a run that begins now; without ``seed``, draw one."""
        now = datetime.now(UTC)
        seed = secrets.randbelow(2**31) if seed is None else seed
        return cls(id=f"{now:%Y%m%dT%H%M%SZ}-{name}-{seed}", started_at=now, seed=seed)


def run_fields(identity: RunIdentity, *, runtime: Runtime, rounds: int) -> dict[str, Any]:
    """Return the fields that every run's manifest begins with."""
    return {
        "id": identity.id,
        "started_at": identity.started_at,
        "revision": revision(),
        "command_line": [command_line()],
        "seed": identity.seed,
        "rounds": rounds,
        "runtime": runtime,
        "machine": machine(engine_name() if runtime is Runtime.DOCKER else None),
    }


def setup_for(load: LoadSpec, size: Size, runtime: Runtime, *, load_from_task: bool = False) -> Setup:
    """Return how windows are measured here; with ``load_from_task``, load comes from a second Fargate task."""
    if load_from_task:
        cores = Cores(server=(), generator=tuple(range(int(GENERATOR_SIZE.vcpu))))
    else:
        cores = split_cores(0 if runtime is Runtime.FARGATE else size.vcpu)
    return Setup(
        size=size,
        server_cores=list(cores.server),
        generator_cores=list(cores.generator),
        split_siblings=cores.split_siblings,
        load_path=SECOND_TASK_PATH if load_from_task else _load_path(runtime),
        load=load,
    )


def with_databases(setup: Setup, candidates: Sequence[Candidate], *, at_once: int) -> Setup:
    """Return the set-up with the databases that candidates need, if any does.

    Raise ``UsageError`` if the user's own PostgreSQL cannot be used, or has too few connections for so many of them at
    once.
    """
    if not any(candidate.stack.drivers for candidate in candidates):
        return setup
    database.require(at_once, setup.size.workers)
    return replace(setup, database=database.describe(setup.size.workers))


def cells_of(candidates: Sequence[Candidate], outcomes: Mapping[str, Conformance]) -> list[Cell]:
    """Return the cells of the candidates whose conformance was checked."""
    return [cell_of(known, outcomes[known.name]) for known in candidates if known.name in outcomes]


def controls(cells: Sequence[Cell], seed: int, *, count: int = 1) -> list[Cell]:
    """Return second copies of conforming cells, which must tie with them; fewer if fewer can be copied.

    Of two, one is of a floor where the run has one, since fast stacks and slow ones are disturbed differently.
    """
    able = [cell for cell in cells if conforms(cell) and (cell.guest is None or cell.guest.image)]
    drawn = random.Random(seed).sample(able, len(able))  # noqa: S311 -- not for secrets
    if count > 1:
        floors = [cell for cell in drawn if cell.is_floor]
        drawn = [*floors[:1], *(cell for cell in drawn if not cell.is_floor), *floors[1:]]
    return [replace(cell, name=f"{cell.name}#2", control_of=cell.name) for cell in drawn[:count]]


def command_line() -> str:
    """Return the command line of this process."""
    return shlex.join(sys.orig_argv)


def cell_of(candidate: Candidate, conformance: Conformance | None) -> Cell:
    """Return the record of a candidate, with versions read back from its environment or image."""
    framework, server = candidate.stack.framework, candidate.stack.server
    if candidate.guest is not None:
        return _guest_cell(candidate, candidate.guest, conformance)
    packages, app = installed_packages(candidate), candidate.app
    lock = framework.orders_lock if candidate.stack.drivers else framework.lock
    return Cell(
        name=candidate.name,
        framework=framework.name,
        title=framework.title,
        version=packages.get(framework.distribution or "", framework.version),
        interface=framework.interface,
        server=server.name,
        server_packages=list(server.needs(framework.interface)),
        lock_sha256=hashlib.sha256(lock.read_bytes()).hexdigest(),
        packages=dict(packages),
        compiled=compiled_for(candidate),
        source_digest=source_digest(framework.folder, left_out=app.unrelated_files),
        command=list(command(framework, server, host="{host}", port="{port}", workers="{workers}", module=app.module)),
        keep_alive=server.keep_alive,
        conformance=conformance,
        python=installed_python(candidate),
        app=app,
        additions=list(candidate.additions),
        **_image(candidate),
    )


def _guest_cell(candidate: Candidate, guest: Guest, conformance: Conformance | None) -> Cell:
    """Return the record of the user's own server, whose packages and versions are unknown."""
    kept = conformance is None or conformance.observed.get(Behaviour.KEEP_ALIVE) is not YesOrNo.NO
    return Cell(
        name=candidate.name,
        framework=guest.name,
        title=guest.name,
        version=None,
        interface=candidate.stack.framework.interface,
        server=candidate.stack.server.name,
        server_packages=[],
        lock_sha256="",
        keep_alive=kept,
        conformance=conformance,
        python="",
        guest=guest,
        app=candidate.app,
        image_tag=guest.image,
        image_id=None if guest.image is None else engine().images.get(guest.image).id,
    )


def engine_name() -> str:
    """Return the version and the storage driver of the Docker engine."""
    info = engine().info()
    return f"{info['ServerVersion']} ({info['Driver']})"


def _image(candidate: Candidate) -> dict[str, Any]:
    if candidate.image is None or candidate.tag is None:
        return {} if candidate.interpreter is None else {"python_asked": candidate.python}
    if candidate.fargate is not None:
        return {"image": candidate.image.name, "image_tag": candidate.tag, "python_asked": candidate.python}
    return {
        "image": candidate.image.name,
        "image_tag": candidate.tag,
        "image_id": (image := engine().images.get(candidate.tag)).id,
        "image_bytes": image_size_bytes(candidate.tag),
        "base": image.labels.get(BASE),
        "base_digest": image.labels.get(BASE_DIGEST),
        "stand_in_base": is_stand_in(candidate.tag),
        "base_configured": configured(candidate.tag),
        "python_asked": candidate.python,
    }


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
