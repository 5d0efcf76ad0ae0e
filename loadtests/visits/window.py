"""One window on a fresh server."""

import os

from msgspec.structs import replace

from common.errors import FailedError
from common.records.load import Setup
from common.records.window import Window
from common.runtimes.candidates import Candidate
from loadtests.windows.measuring import measure
from loadtests.windows.tools import GeneratorError


def measure_window(window: Window, setup: Setup, candidate: Candidate, *, seed: int) -> Window:
    """Return ``window`` with its load, or with the server's failure, which does not end the run.

    Raise ``GeneratorError`` if the load generator fails although the server is well. ``seed`` is for Poisson arrivals.
    """
    window = replace(window, load_average=os.getloadavg()[0])
    try:
        with candidate.serve(setup.size, cores=setup.server_cores) as running:
            try:
                load = measure(running, setup, seed=seed)
            except GeneratorError as error:
                if (reason := running.exit_reason()) is None:
                    raise
                raise FailedError(reason) from error
            return replace(window, load=load, error=running.exit_reason() or load.server_gone)
    except GeneratorError:
        raise
    except FailedError as error:
        return replace(window, error=str(error))
