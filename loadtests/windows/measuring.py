"""One window, measured by the tool that the setup names."""

from common.records.load import Setup, Tool
from common.records.window import Load
from common.runtimes.base import RunningServer
from loadtests.windows import by_locust, by_task, by_wrk


def measure(server: RunningServer, setup: Setup, *, seed: int | None = None) -> Load:
    """Load a server as ``setup`` says; ``GeneratorError`` if the tool gives no result. ``seed`` is for arrivals."""
    if server.load_task is not None:
        return by_task.measure(server, server.load_task, setup, seed=seed)
    match setup.load.tool:
        case Tool.LOCUST:
            return by_locust.measure(server, setup, seed=seed)
        case Tool.WRK:
            return by_wrk.measure(server, setup)
