"""From rows of summaries to figures, which the store keeps by stack. Pure."""

import hashlib

from common.records.figure import Conditions, Figure, Metric, Subject
from common.records.run import Cell, Machine, Run
from common.records.summary import Interval, Verdict


def figure(
    run: Run, cell: Cell, metric: Metric, value: Interval, verdict: Verdict, *, conditions: Conditions | None = None
) -> Figure:
    """Return what a run says of one of its stacks."""
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
        python=".".join(cell.python.split(".")[:2]),
    )


def exact(value: float) -> Interval:
    """Return the interval of a value that has no spread."""
    return Interval(estimate=value, low=value, high=value, n=1)


def machine_digest(machine: Machine) -> str:
    """Return what tells machines apart: figures of different ones do not belong in one table."""
    known = (machine.cpu_model, machine.cores, machine.memory_bytes, machine.architecture)
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16]
