"""The CPU time that a framework and its app add to that of a bare app on the same server. Pure."""

import math

import numpy as np

from common.records.run import LoadRun
from common.records.summary import Component, Interval
from loadtests.analysis.between_runs import LEVEL, between_runs_of
from loadtests.statistics.components import sized, total
from loadtests.statistics.intervals import student_t
from loadtests.statistics.spread import Values


def costs_over_floor(run: LoadRun, values: Values) -> dict[str, Interval]:
    """Return the CPU time of a request beyond that of the floor on the same server, image and Python, within rounds.

    ``values`` are those of each cell by round. Floors, and cells without one, are not in the result. The intervals hold
    in other runs on this machine.
    """
    floors = floors_of(run)
    pairs = [(cell, floors[cell.name]) for cell in run.cells if cell.name in floors]
    found = {cell.name: cost_beyond(run, values, cell.name, floor) for cell, floor in pairs if floor != cell.control_of}
    return {name: cost for name, cost in found.items() if cost is not None}


def floors_of(run: LoadRun) -> dict[str, str]:
    """Return the floor on the same server, image and Python by cell, as far as there are such floors.

    Floors themselves have none.
    """
    floors = {
        (cell.server, cell.image, cell.python): cell.name for cell in run.cells if cell.is_floor and not cell.control_of
    }
    found = {cell.name: floors.get((cell.server, cell.image, cell.python)) for cell in run.cells}
    return {name: floor for name, floor in found.items() if floor is not None and floor != name}


def cost_beyond(run: LoadRun, values: Values, name: str, floor: str) -> Interval | None:
    """Return the CPU time of a request of a cell beyond that of another, the mean difference over rounds.

    ``None`` if they have no round in common. From run to run, each of the two costs varies by what its stack does, and
    their difference by what all stacks share (the first terms of a Taylor series: the delta method).
    """
    own, bare = values[name], values[floor]
    both = sorted(own.keys() & bare.keys())
    if not both:
        return None
    costs = np.array([[1 / own[number], 1 / bare[number]] for number in both])
    differences, count = costs[:, 0] - costs[:, 1], len(both)
    mean = float(differences.mean())
    if count == 1:
        return Interval(estimate=mean, low=None, high=None, n=1)
    parts = [Component(sd=float(differences.std(ddof=1)) / math.sqrt(count), freedom=count - 1)]
    if (between := between_runs_of(run)) is not None:
        sizes = float(np.hypot(*costs.mean(axis=0)))
        parts += [sized(between, sizes), sized(LEVEL, mean)]
    error = total(*parts)
    half = student_t(error.freedom) * error.sd
    return Interval(estimate=mean, low=mean - half, high=mean + half, n=count)
