"""Runs of a real stack as it is on this machine now, so that they can be resumed."""

from typing import Any

from msgspec.structs import replace

from common.catalog.frameworks import frameworks
from common.catalog.servers import SERVERS
from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import Stack
from common.host.machine import machine, revision
from common.records.load import LoadSpec
from common.records.run import Cell, Design, LoadRun, Stopping
from common.runtimes.candidates import Candidate
from loadtests.campaign.manifest import cell_of, engine_name, setup_for
from loadtests.windows.sliced import slicing_for
from tests.support.records import run_head

NAME = "raw_wsgi+gunicorn-gthread"
SHORT = LoadSpec(scenario="hello", users=4, delay_ms=0, warmup_s=0.1, window_s=0.3)
"""A load for tests in which its figures do not matter."""


def real_candidate(name: str = NAME) -> Candidate:
    """Return a stack in the process runtime, by default one that needs no packages but its server's."""
    framework, _, server = name.partition("+")
    return Candidate(stack=Stack(framework=frameworks()[framework], server=SERVERS[server]))


def real_cell() -> Cell:
    """Return its cell, with what is installed here."""
    return cell_of(real_candidate(), None)


def run_fields(rounds: int, runtime: Runtime = Runtime.PROCESS) -> dict[str, Any]:
    """Return the fields that every manifest begins with."""
    return run_head() | {
        "revision": revision(),
        "rounds": rounds,
        "runtime": runtime,
        "machine": machine(engine_name() if runtime is Runtime.DOCKER else None),
    }


def short_load_run(
    candidate: Candidate, design: Design, *, rounds: int, runtime: Runtime = Runtime.PROCESS, load: LoadSpec = SHORT
) -> LoadRun:
    """Return a load test of a stack and a copy of it, in windows or slices of a fraction of a second."""
    cell = cell_of(candidate, None)
    sliced = design is Design.SLICED
    return LoadRun(
        **run_fields(rounds, runtime),
        design=design,
        slicing=replace(slicing_for(1.0, servers=2), passes=3, most_passes=5) if sliced else None,
        stopping=Stopping(fewest_rounds=rounds),
        setup=replace(setup_for(load, Size(), runtime), server_cores=[0]),
        cells=[cell, replace(cell, name=f"{cell.name}#2", control_of=cell.name)],
    )
