"""Windows on one fresh server."""

import os
from collections.abc import Sequence

from msgspec.structs import replace

from common.errors import FailedError
from common.records.load import Setup
from common.records.window import Window
from common.runtimes.base import RunningServer
from common.runtimes.candidates import Candidate
from loadtests.windows.measuring import measure
from loadtests.windows.tools import GeneratorError


def measure_window(window: Window, setup: Setup, candidate: Candidate, *, seed: int) -> Window:
    """Return ``window`` with its load, or with the server's failure; errors and ``seed`` as ``measure_windows``."""
    (made,) = measure_windows([(window, setup)], candidate, seed=seed)
    return made


def measure_windows(asked: Sequence[tuple[Window, Setup]], candidate: Candidate, *, seed: int) -> list[Window]:
    """Return windows that are made one after the other on a fresh server, each as its setup says.

    A failure of the server does not end the run. It is recorded in the window in which it happened, the last one where
    the server failed to stop, and in all later windows. Raise ``GeneratorError`` if the load generator fails although
    the server is well. ``seed`` is for Poisson arrivals.
    """
    load_average, (_, first) = os.getloadavg()[0], asked[0]
    blank = [replace(window, load_average=load_average) for window, _ in asked]
    made: list[Window] = []
    try:
        with candidate.serve(first.size, cores=first.server_cores) as running:
            for window, (_, setup) in zip(blank, asked, strict=True):
                made.append(_loaded(window, setup, running, seed=seed))
    except GeneratorError:
        raise
    except FailedError as error:
        failed = min(len(made), len(blank) - 1)
        made[failed:] = [replace(window, error=str(error)) for window in blank[failed:]]
    return made


def _loaded(window: Window, setup: Setup, running: RunningServer, *, seed: int) -> Window:
    """Return the window with its load; ``FailedError`` if the generator failed because the server had exited."""
    try:
        load = measure(running, setup, seed=seed)
    except GeneratorError as error:
        if (reason := running.exit_reason()) is None:
            raise
        raise FailedError(reason) from error
    return replace(window, load=load, error=running.exit_reason() or load.server_gone)
