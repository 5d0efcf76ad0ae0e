"""Two servers loaded at the same time on the same cores, so that a disturbance affects both alike.

Source: Bulej et al., Duet Benchmarking: Improving Measurement Accuracy in the Cloud, ICPE 2020.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from msgspec.structs import replace

from common.errors import FailedError
from common.host.folders import temporary_folder
from common.records.load import Setup
from common.records.window import Load, Window
from common.runtimes.base import RunningServer
from common.runtimes.candidates import Candidate
from loadtests.windows.by_locust import Gate, measure
from loadtests.windows.tools import GeneratorError


def measure_together(windows: Sequence[Window], setup: Setup, candidates: Mapping[str, Candidate]) -> list[Window]:
    """Return the windows with the loads of fresh servers that were all loaded at the same time.

    A server's failure is recorded in its window; if one does not start, none is loaded. Raise ``GeneratorError`` if
    Locust fails although the servers are well. ``candidates`` are keyed by cell name.
    """
    begun = [replace(window, load_average=os.getloadavg()[0]) for window in windows]
    with ExitStack() as servers:
        running: list[RunningServer] = []
        for window in begun:
            serving = candidates[window.cell].serve(setup.size, cores=setup.server_cores)
            try:
                running.append(servers.enter_context(serving))
            except FailedError as error:
                return [_failed(other, window.cell, error) for other in begun]
        loads = _load(setup, running)
        return [_with_load(window, server, done) for window, server, done in zip(begun, running, loads, strict=True)]


def _load(setup: Setup, running: Sequence[RunningServer]) -> list[Future[Load]]:
    """Load each server and return once all have ended; the generators begin their windows together."""
    with temporary_folder("gate") as folder, ThreadPoolExecutor(len(running)) as pool:
        gate = Gate(folder=folder, count=len(running))
        return [pool.submit(measure, server, setup, gate=gate) for server in running]


def _with_load(window: Window, running: RunningServer, done: Future[Load]) -> Window:
    try:
        load = done.result()
    except GeneratorError as error:
        if (reason := running.exit_reason()) is None:
            raise
        return replace(window, error=f"{reason} ({error})")
    return replace(window, load=load, error=running.exit_reason() or load.server_gone)


def _failed(window: Window, cell: str, error: FailedError) -> Window:
    reason = str(error) if window.cell == cell else f"{cell}, which runs at the same time, did not start"
    return replace(window, error=reason)
