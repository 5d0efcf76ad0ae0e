"""Figures: what is known of one stack, whichever experiment measured it."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Struct

from common.catalog.pythons import python_series
from common.catalog.sizes import Runtime
from common.catalog.stacks import StackName
from common.records.run import Cell, Machine, Run
from common.records.schema import Count, says
from common.records.summary import BetweenRuns, Component, Interval, Verdict


class Metric(StrEnum):
    """The quantity that a figure gives. The unit is the last word."""

    REQUESTS_PER_CPU_S = "requests-per-cpu-s"
    P99_S = "p99-s"
    WARM_S = "warm-s"
    START_S = "start-s"
    IDLE_BYTES = "idle-bytes"
    LOADED_BYTES = "loaded-bytes"
    LIMIT_BYTES = "limit-bytes"
    SLEEPER_BYTES = "sleeper-bytes"
    COMPRESSED_BYTES = "compressed-bytes"


class Subject(Struct, frozen=True, kw_only=True):
    """The stack that a figure is about."""

    framework: Annotated[str, says("Name of the folder under frameworks/.")]
    server: Annotated[str, says("Name of the server.")]
    image: Annotated[str | None, says("Base image, a row of docker/bases.toml; null in the process runtime.")] = None
    runtime: Annotated[Runtime, says("How the stack was brought up.")]
    python: Annotated[str, says("Python that ran the stack, as 3.13.")]

    @property
    def name(self) -> str:
        """The name in tables: ``falcon+gunicorn-gthread@slim``, with the Python and the runtime if unusual."""
        return str(self.stack)

    @property
    def stack(self) -> StackName:
        """The name in its parts."""
        return StackName(
            framework=self.framework, server=self.server, image=self.image, python=self.python, runtime=self.runtime
        )


class Conditions(Struct, frozen=True, kw_only=True):
    """The conditions under which a metric was measured; null where one has no meaning for it."""

    scenario: Annotated[str | None, says("Name of the Locust workload.")] = None
    vcpu: Annotated[float | None, says("vCPUs given to the server.")] = None
    workers: Annotated[Count | None, says("The server's workers.")] = None
    load_share: Annotated[float | None, says("Arrival rate as a share of the stack's own capacity, 0 to 1.")] = None


class Figure(Struct, frozen=True, kw_only=True):
    """One figure of one stack from one run."""

    subject: Subject
    metric: Metric
    conditions: Conditions
    value: Interval
    verdict: Verdict
    run: Annotated[str, says("The run's id.")]
    measured_at: Annotated[datetime, says("Start time, UTC.")]
    machine: Annotated[str, says("Digest of the machine's processor, cores and memory.")]
    version: Annotated[str | None, says("The framework's version; null for a floor.")] = None
    lock_sha256: Annotated[str, says("SHA-256 digest of the framework's lock.")]
    series: Annotated[
        str | None, says("Digest of what its run shares with runs that repeat it; null if nothing is pooled.")
    ] = None
    pooled: Annotated[list[str], says("Ids of the runs that the value is over; empty if it is of one run.")] = []
    error: Annotated[
        Component | None,
        says("Standard error of the logarithm of a rate within its runs; null for other metrics, and if unknown."),
    ] = None
    between_runs: Annotated[
        BetweenRuns | None, says("What a stack's rate is taken to vary by from run to run; null for other metrics.")
    ] = None


def figure(
    run: Run,
    cell: Cell,
    metric: Metric,
    value: Interval,
    verdict: Verdict,
    *,
    conditions: Conditions | None = None,
    series: str | None = None,
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
        series=series,
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
