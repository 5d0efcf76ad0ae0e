"""The commands that are killed: short ones of every kind that starts something."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import images
from common.engine.client import engine_answers
from common.host.network import free_port
from common.records.run import Cell, Design, Run
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import prepare
from loadtests.campaign.manifest import cell_of, setup_for
from loadtests.experiments.latency.experiment import closed, point
from loadtests.experiments.latency.records import LatencyRun
from loadtests.experiments.memory.records import MemoryCell, MemoryRun
from loadtests.experiments.sizes.records import FootprintCell, FootprintRun, Weighed
from loadtests.experiments.startup.records import PageCache, PullCell, StartCell, StartupRun
from tests.support.fargate_settings import REGISTRY
from tests.support.here import SHORT, real_candidate, run_fields, short_load_run

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
        made = partial(short_load_run, candidate, design, rounds=2, runtime=runtime)
        yield _resumed(name, "loadtest", made)
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


def _cell(candidate: Candidate) -> Cell:
    return cell_of(candidate, None)


def _startup(candidate: Candidate, runtime: Runtime) -> StartupRun:
    cells = [StartCell(name="warm", stack=_cell(candidate), size=Size(), cache=PageCache.WARM)]
    return StartupRun(**run_fields(2, runtime), cold_by=None, cells=cells, pulls=[])


def _pulls(candidate: Candidate) -> StartupRun:
    assert candidate.tag is not None
    pulls = [PullCell(name="pull", image=candidate.tag, link="1gbit")]
    cells = [StartCell(name="warm", stack=_cell(candidate), size=Size(), cache=PageCache.WARM)]
    return StartupRun(**run_fields(1, Runtime.DOCKER), cold_by=None, cells=cells, pulls=pulls)


def _memory(candidate: Candidate, runtime: Runtime) -> MemoryRun:
    cells = [MemoryCell(name="one worker", stack=_cell(candidate), size=Size(worker_count=1))]
    return MemoryRun(**run_fields(2, runtime), requests=200, connections=4, limits=False, cells=cells)


def _latency(candidate: Candidate, runtime: Runtime) -> LatencyRun:
    cell = _cell(candidate)
    points = [point(cell.name, Size(worker_count=1), (closed(4, 0.3),), runtime)]
    return LatencyRun(**run_fields(2, runtime), setup=setup_for(SHORT, Size(), runtime), cells=[cell], points=points)


def _sizes(candidate: Candidate) -> FootprintRun:
    cell = _cell(candidate)
    cells = [FootprintCell(name=cell.name, stack=cell, weighs=Weighed.IMAGE)]
    return FootprintRun(**run_fields(1, Runtime.DOCKER), registry=None, zstd_level=3, cells=cells, missing={})
