"""The commands that are killed: short ones of every kind that starts something."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace as with_fields
from rich.console import Console

from common.catalog.images import DEFAULT_PYTHON, images
from common.catalog.runtimes import Runtime
from common.catalog.sizes import Size
from common.engine.client import engine_answers
from common.host.machine import machine
from common.host.network import free_port
from common.records.experiments.footprint import FootprintCell, FootprintRun, Weighed
from common.records.experiments.latency import LatencyRun
from common.records.experiments.memory import MemoryCell, MemoryRun
from common.records.experiments.startup import PullCell, StartCell, StartupRun
from common.records.load import LoadSpec
from common.records.run import Cell, Design, LoadRun, Run
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import prepare
from loadtests.campaign.manifest import cell_of, engine_name, setup_for
from loadtests.campaign.stopping import exactly
from loadtests.experiments.latency import closed, point
from loadtests.windows.sliced import slicing_for
from tests.support.fargate_settings import REGISTRY
from tests.support.here import real_candidate, run_fields

LOAD = LoadSpec(scenario="hello", users=4, delay_ms=0, warmup_s=0.1, window_s=0.3)
NEXT = ("list",)
"""The command after a kill where there is nothing to resume."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command that is killed, and the one that comes after it."""

    name: str
    words: tuple[str, ...]
    """Its command line; ``{run}`` stands for the folder of its run, ``{port}`` for a free port."""
    next_words: tuple[str, ...]
    """The command line after the kill, which ends by itself."""
    longest_s: float
    """Kills come within that time."""
    manifest: Callable[[], Run] | None = None
    """Makes the run that it resumes; ``None`` for a command without records."""
    on_fargate: bool = False


def filled_in(words: tuple[str, ...], run: Path) -> list[str]:
    """Return a command line with the folder of its run and a free port."""
    return [word.format(run=run, port=free_port()) for word in words]


def commands() -> Iterator[Command]:
    """Yield what can be killed on this machine."""
    here = real_candidate()
    yield from _in(Runtime.PROCESS, here, ("--runtime=process",))
    yield Command(
        name="web, process",
        words=("web", "--framework=raw_wsgi", "--runtime=process", "--port={port}"),
        next_words=NEXT,
        longest_s=4,
    )
    if engine_answers():
        slim = replace(here, image=images()["slim"], python=DEFAULT_PYTHON)
        prepare([slim], Console(stderr=True))  # a run is resumed on the image that it names
        yield from _in(Runtime.DOCKER, slim, ("--runtime=docker", "--image=slim"))
        yield _resumed("sizes, docker", "sizes", lambda: _sizes(slim), longest_s=8)
        if shutil.which("tc") is not None:
            yield _resumed("pulls, docker", "startup", lambda: _pulls(slim), longest_s=15)
        yield _on_fargate()


def _in(runtime: Runtime, candidate: Candidate, options: tuple[str, ...]) -> Iterator[Command]:
    stack = ("--framework=raw_wsgi", *options)
    serve = ("serve", *stack, "--port={port}")
    yield Command(name=f"serve, {runtime}", words=serve, next_words=NEXT, longest_s=4)
    yield Command(name=f"conformance, {runtime}", words=("conformance", *stack), next_words=NEXT, longest_s=8)
    for design in (Design.ALONE, Design.SLICED):
        name = f"loadtest {design}, {runtime}"
        yield _resumed(name, "loadtest", partial(_load, candidate, runtime, design))
    yield _resumed(f"startup, {runtime}", "startup", lambda: _startup(candidate, runtime))
    yield _resumed(f"memory, {runtime}", "memory", lambda: _memory(candidate, runtime))
    yield _resumed(f"latency, {runtime}", "latency", lambda: _latency(candidate, runtime))


def _resumed(name: str, command: str, manifest: Callable[[], Run], *, longest_s: float = 7) -> Command:
    words = (command, "--resume={run}")
    return Command(name=name, words=words, next_words=words, longest_s=longest_s, manifest=manifest)


def _on_fargate() -> Command:
    words = ("serve", "--runtime=fargate", "--framework=raw_wsgi", "--image=slim", f"--registry={REGISTRY}",
             "--subnets=subnet-1", "--max-dollars=10", "--python=" + DEFAULT_PYTHON)  # fmt: skip
    clean = ("fargate-clean", "--everyones")
    return Command(name="serve, fargate", words=words, next_words=clean, longest_s=8, on_fargate=True)


def _fields(runtime: Runtime, rounds: int = 2) -> dict[str, Any]:
    used = machine(engine_name() if runtime is Runtime.DOCKER else None)
    return run_fields(rounds=rounds) | {"runtime": runtime, "machine": used}


def _cell(candidate: Candidate) -> Cell:
    return cell_of(candidate, None)


def _load(candidate: Candidate, runtime: Runtime, design: Design) -> LoadRun:
    cell, sliced = _cell(candidate), design is Design.SLICED
    slicing = with_fields(slicing_for(1.0, servers=2), passes=3, most_passes=5) if sliced else None
    cells = [cell, with_fields(cell, name=f"{cell.name}#2", control_of=cell.name)]
    setup = with_fields(setup_for(LOAD, Size(), runtime), server_cores=[0])
    return LoadRun(**_fields(runtime), design=design, slicing=slicing, stopping=exactly(2), setup=setup, cells=cells)


def _startup(candidate: Candidate, runtime: Runtime) -> StartupRun:
    cells = [StartCell(name="warm", stack=_cell(candidate), size=Size(), cache="warm")]
    return StartupRun(**_fields(runtime), cold_by=None, cells=cells, pulls=[])


def _pulls(candidate: Candidate) -> StartupRun:
    assert candidate.tag is not None
    pulls = [PullCell(name="pull", image=candidate.tag, link="1gbit")]
    cells = [StartCell(name="warm", stack=_cell(candidate), size=Size(), cache="warm")]
    return StartupRun(**_fields(Runtime.DOCKER, rounds=1), cold_by=None, cells=cells, pulls=pulls)


def _memory(candidate: Candidate, runtime: Runtime) -> MemoryRun:
    cells = [MemoryCell(name="one worker", stack=_cell(candidate), size=Size(worker_count=1))]
    return MemoryRun(**_fields(runtime), requests=200, connections=4, limits=False, cells=cells)


def _latency(candidate: Candidate, runtime: Runtime) -> LatencyRun:
    cell = _cell(candidate)
    points = [point(cell.name, Size(worker_count=1), (closed(4, 0.3),), runtime)]
    return LatencyRun(**_fields(runtime), setup=setup_for(LOAD, Size(), runtime), cells=[cell], points=points)


def _sizes(candidate: Candidate) -> FootprintRun:
    cell = _cell(candidate)
    cells = [FootprintCell(name=cell.name, stack=cell, weighs=Weighed.IMAGE)]
    return FootprintRun(**_fields(Runtime.DOCKER, rounds=1), registry=None, zstd_level=3, cells=cells, missing={})
