"""Figures, the single numbers that the store keeps for each stack, made from rows of summaries. Pure."""

import hashlib

from common.catalog.images import python_series
from common.records.figure import Conditions, Figure, Metric, Subject
from common.records.run import Cell, Machine, Run
from common.records.summary import Interval, Verdict


def figure(
    run: Run, cell: Cell, metric: Metric, value: Interval, verdict: Verdict, *, conditions: Conditions | None = None
) -> Figure:
    """Return one figure that a run gives for one of its stacks."""
    return Figure(
        subject=subject_of(run, cell),
        metric=metric,
        conditions=conditions or Conditions(),
        value=value,
        verdict=verdict,
        run=run.id,
        measured_at=run.started_at,
        machine=machine_digest(run.machine),
        version=cell.version,
        lock_sha256=cell.lock_sha256,
    )


def subject_of(run: Run, cell: Cell) -> Subject:
    """Return the stack that a cell of a run is of."""
    return Subject(
        framework=cell.framework,
        server=cell.server,
        image=cell.image,
        runtime=run.runtime,
        python=python_series(cell.python),
    )


def exact(value: float) -> Interval:
    """Return the interval of a value that is known exactly."""
    return Interval(estimate=value, low=value, high=value, n=1)


def machine_digest(machine: Machine) -> str:
    """Return a digest that identifies the machine, so that figures of different machines are never mixed."""
    hardware = (machine.cpu_model, machine.cpu_identity, machine.cores, machine.memory_bytes, machine.architecture)
    return hashlib.sha256(repr(hardware).encode()).hexdigest()[:16]
