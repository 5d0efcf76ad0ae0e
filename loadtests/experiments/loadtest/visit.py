"""The windows of fresh servers: of one alone, or of two at once."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from msgspec.structs import replace

from common.errors import FailedError
from common.host.folders import temporary_folder
from common.records.load import Setup, Tool
from common.records.window import Load, Window
from common.runtimes.candidates import Candidate
from common.runtimes.running_server import RunningServer
from loadtests.experiments.latency import by_task
from loadtests.windows import by_locust, by_wrk
from loadtests.windows.by_locust import Gate
from loadtests.windows.tools import GeneratorError


def measure_window(window: Window, setup: Setup, candidate: Candidate, *, seed: int) -> Window:
    """Return ``window`` with its load, or with the server's failure; errors and ``seed`` as ``measure_windows``."""
    (made,) = measure_windows([(window, setup)], candidate, seed=seed)
    return made


def measure_windows(asked: Sequence[tuple[Window, Setup]], candidate: Candidate, *, seed: int) -> list[Window]:
    """Return windows that are made one after the other on a fresh server, each as its setup says.

    A failure of the server does not end the run. It is recorded in the window in which it happened, the last one where
    the server failed to stop, and in all later windows. Raise ``GeneratorError`` if the load generator fails although
    the server is well. ``seed`` is for Poisson arrivals. The first window waits until the server is warm, for all.
    """
    load_average, (_, first) = os.getloadavg()[0], asked[0]
    blank = [replace(window, load_average=load_average) for window, _ in asked]
    made: list[Window] = []
    try:
        with candidate.serve(first.size, cores=first.server_cores) as running:
            for window, (_, setup) in zip(blank, asked, strict=True):
                made.append(_loaded(window, _already_warm(setup) if made else setup, running, seed=seed))
    except GeneratorError:
        raise
    except FailedError as error:
        failed = min(len(made), len(blank) - 1)
        made[failed:] = [replace(window, error=str(error)) for window in blank[failed:]]
    return made


def _already_warm(setup: Setup) -> Setup:
    return replace(setup, load=replace(setup.load, most_warmup_s=0.0))


def _loaded(window: Window, setup: Setup, running: RunningServer, *, seed: int) -> Window:
    """Return the window with its load; ``FailedError`` if the generator failed because the server had exited."""
    try:
        load = measure(running, setup, seed=seed)
    except GeneratorError as error:
        if (reason := running.exit_reason()) is None:
            raise
        raise FailedError(reason) from error
    return replace(window, load=load, error=running.exit_reason() or load.server_gone)


def measure(server: RunningServer, setup: Setup, *, seed: int | None = None) -> Load:
    """Load a server by the tool that ``setup`` names, or by its second task; ``GeneratorError`` without a result."""
    if server.load_task is not None:
        return by_task.measure(server, server.load_task, setup, seed=seed)
    match setup.load.tool:
        case Tool.LOCUST:
            return by_locust.measure(server, setup, seed=seed)
        case Tool.WRK:
            return by_wrk.measure(server, setup)


def measure_together(windows: Sequence[Window], setup: Setup, candidates: Mapping[str, Candidate]) -> list[Window]:
    """Return the windows with the loads of fresh servers that were loaded at once: a disturbance affects them alike.

    A server's failure is recorded in its window; if one does not start, none is loaded. Raise ``GeneratorError`` if
    Locust fails although the servers are well. ``candidates`` are keyed by cell name. Source: Bulej et al., Duet
    Benchmarking: Improving Measurement Accuracy in the Cloud, ICPE 2020.
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
        return [pool.submit(by_locust.measure, server, setup, gate=gate) for server in running]


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
