"""Two servers at once on the same cores, loaded at the same time: what disturbs the machine disturbs both alike.

Source: Bulej et al., Duet Benchmarking: Improving Measurement Accuracy in the Cloud, ICPE 2020.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from common.catalog.sizes import Size
from common.errors import FailedError
from common.records.run import Run
from common.records.window import Load, Window
from common.runtimes.base import RunningServer
from common.runtimes.candidates import Candidate
from loadtests.runs.plan import Step
from loadtests.windows.generator import GeneratorError
from loadtests.windows.throughput import measure


def measure_together(run: Run, steps: Sequence[Step], candidates: Mapping[str, Candidate]) -> list[Window]:
    """A window of each of ``steps``, on fresh servers that are all loaded at the same time.

    What goes wrong with a server is its window's; where one does not come up, the others have no window worth making.
    ``GeneratorError`` where Locust fails though the servers are well.
    """
    size = Size(vcpu=run.vcpu, memory_bytes=run.memory_bytes)
    begun = [blank(run, step) for step in steps]
    with ExitStack() as servers:
        running: list[RunningServer] = []
        for step in steps:
            try:
                running.append(servers.enter_context(candidates[step.cell].serve(size, cores=run.server_cores)))
            except FailedError as error:
                return [_failed(window, step.cell, error) for window in begun]
        return [_with(window, one, done) for window, one, done in zip(begun, running, _load(run, running), strict=True)]


def _load(run: Run, running: Sequence[RunningServer]) -> list[Future[Load]]:
    """Each one's load, ended; the generators begin their windows together."""
    with tempfile.TemporaryDirectory() as gate, ThreadPoolExecutor(len(running)) as pool:
        return [pool.submit(measure, one, run, gate=Path(gate), gate_of=len(running)) for one in running]


def _with(window: Window, running: RunningServer, done: Future[Load]) -> Window:
    try:
        load = done.result()
    except GeneratorError as error:
        if (how := running.exit_reason()) is None:
            raise
        return replace(window, error=f"{how} ({error})")
    return replace(window, load=load, error=running.exit_reason() or load.server_gone)


def _failed(window: Window, cell: str, error: FailedError) -> Window:
    return replace(
        window, error=str(error) if window.cell == cell else f"{cell}, which it runs beside, did not come up"
    )


def blank(run: Run, step: Step) -> Window:
    """A window that begins now, before anything is known of it."""
    return Window(
        run=run.id,
        round=step.round,
        position=step.position,
        cell=step.cell,
        started_at=datetime.now(UTC),
        load_average=os.getloadavg()[0],
    )
