"""One window, by whichever tool the run names."""

from common.records.run import Run
from common.records.window import Load
from common.runtimes.base import RunningServer
from loadtests.windows import second_task, throughput, wrk
from loadtests.windows.generator import Tool


def measure(running: RunningServer, run: Run, *, seed: int | None = None) -> Load:
    """Load ``running`` as ``run`` says; ``GeneratorError`` where the tool gives no result. ``seed`` is for arrivals."""
    if running.load_task is not None:
        return second_task.window(running, running.load_task, run, seed=seed)
    match Tool(run.tool):
        case Tool.LOCUST:
            return throughput.measure(running, run, seed=seed)
        case Tool.WRK:
            return wrk.measure(running, run)
