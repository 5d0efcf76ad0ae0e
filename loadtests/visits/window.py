"""Windows on one fresh server."""

import os
from collections.abc import Sequence

from msgspec.structs import replace

from common.errors import FailedError
from common.records.load import Setup
from common.records.window import Window
from common.runtimes.candidates import Candidate
from loadtests.windows.measuring import measure
from loadtests.windows.tools import GeneratorError


def measure_window(window: Window, setup: Setup, candidate: Candidate, *, seed: int) -> Window:
    """Return ``window`` with its load, or with the server's failure; errors and ``seed`` as ``measure_windows``."""
    (made,) = measure_windows([(window, setup)], candidate, seed=seed)
    return made


def measure_windows(asked: Sequence[tuple[Window, Setup]], candidate: Candidate, *, seed: int) -> list[Window]:
    """Return windows that are made one after the other on a fresh server, each as its setup says.

    A failure of the server does not end the run: it is the error of the window in which it happened and of those after.
    Raise ``GeneratorError`` if the load generator fails although the server is well. ``seed`` is for Poisson arrivals.
    """
    load_average = os.getloadavg()[0]
    made: list[Window] = []
    try:
        with candidate.serve(asked[0][1].size, cores=asked[0][1].server_cores) as running:
            for window, setup in asked:
                try:
                    load = measure(running, setup, seed=seed)
                except GeneratorError as error:
                    if (reason := running.exit_reason()) is None:
                        raise
                    raise FailedError(reason) from error
                error_text = running.exit_reason() or load.server_gone
                made.append(replace(window, load=load, error=error_text, load_average=load_average))
    except GeneratorError:
        raise
    except FailedError as error:
        left = asked[len(made) :]
        made += [replace(window, error=str(error), load_average=load_average) for window, _ in left]
    return made
