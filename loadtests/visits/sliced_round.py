"""The windows of one round: all its servers are brought up together and loaded in turn."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from msgspec.structs import replace

from common.errors import FailedError
from common.records.load import Setup
from common.records.run import Slicing
from common.records.window import Load, Window
from common.runtimes.base import RunningServer
from common.runtimes.candidates import Candidate
from loadtests.windows.sliced import measure_round


def measure_in_turn(
    windows: Sequence[Window], setup: Setup, slicing: Slicing, candidates: Mapping[str, Candidate], *, seed: str
) -> list[Window]:
    """Return the windows with the loads of fresh servers, which were all up at once and loaded alone in turn.

    What goes wrong with a server is its window's and leaves the others as they are. ``GeneratorError`` where the load
    generator fails. ``candidates`` are by the names of the cells; ``seed`` is for the order in each pass.
    """
    load_average = os.getloadavg()[0]
    errors: dict[str, str] = {}
    with ExitStack() as servers:
        running: dict[str, RunningServer] = {}
        for window in windows:
            try:
                starting = candidates[window.cell].start(setup.size, cores=setup.server_cores)
                running[window.cell] = servers.enter_context(starting)
            except FailedError as error:
                errors[window.cell] = str(error)
        for cell, server in running.items():
            try:
                server.wait_until_ready()
            except FailedError as error:
                errors[cell] = str(error)
        ready = {cell: server for cell, server in running.items() if cell not in errors}
        measured = measure_round(list(ready.values()), setup, slicing, seed=seed) if ready else []
        loads: dict[str, Load] = dict(zip(ready, measured, strict=True))
        for cell, load in loads.items():
            if reason := ready[cell].exit_reason() or load.server_gone:
                errors[cell] = reason
    return [
        replace(window, load=loads.get(window.cell), error=errors.get(window.cell), load_average=load_average)
        for window in windows
    ]
