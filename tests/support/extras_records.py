"""Runs of ``make extras`` for tests, with known costs."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import asdict, replace

from common.catalog.frameworks import App
from common.records.run import Design
from common.records.window import Window
from loadtests.analysis.between_runs import FEW
from loadtests.experiments.extras.additions import TITLES
from loadtests.experiments.extras.records import Addition, ExtrasRun
from tests.support.records import SLICING, cell, load, run, window

CPU_S = 2.0
"""The CPU time that each window takes."""
NOISE = (1.004, 0.997, 1.002, 0.995, 1.003, 0.998, 1.001, 0.999)


def extras_run(*stacks: str, additions: Sequence[str] = tuple(TITLES), **changes: Any) -> ExtrasRun:  # noqa: ANN401
    """Return a run of these stacks with these additions and a control each; ``changes`` as for ``run``."""
    bare = [cell(name, app=App.EXTRAS) for name in stacks]
    adding = [replace(one, name=f"{one.name} with {name}", additions=[name]) for one in bare for name in additions]
    copies = [replace(one, name=f"{one.name}#2", control_of=one.name) for one in bare]
    fields: dict[str, Any] = {"design": Design.SLICED, "slicing": SLICING, "rounds": 8, "between_runs": FEW}
    test = run([*bare, *adding, *copies], **fields | changes)
    asked = [
        Addition(stack=stack, name=name, title=TITLES[name], cell=f"{stack} with {name}", over=stack)
        for stack in stacks
        for name in additions
    ]
    return ExtrasRun(**asdict(test), additions=asked)


def windows(run: ExtrasRun, bare_us: float, costs_us: Mapping[str, float], drift: Sequence[float]) -> list[Window]:
    """Return a window of each cell in each round, whose requests take ``drift`` times what they cost, and some noise.

    ``costs_us`` are by the parts of additions, of which cells may have several.
    """
    return [
        window(one.name, number, load(round(CPU_S / cost_us / slower / _noise(place, number) * 1e6), CPU_S))
        for number, slower in enumerate(drift, start=1)
        for place, one in enumerate(run.cells)
        for cost_us in [bare_us + sum(costs_us.get(name, 0) for name in one.additions)]
    ]


def _noise(place: int, number: int) -> float:
    """Return some per mille, other ones for each cell, which even out over eight rounds."""
    return NOISE[(3 * place + place // 3 + number) % len(NOISE)]
