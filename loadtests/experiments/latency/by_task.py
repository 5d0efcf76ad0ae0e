"""Windows measured by a second Fargate task next to the server's: its order, and its result.

The task runs ``loadtests.experiments.latency.load_task``, which measures the windows with the same code as here and
returns their records. Its whole order is on its command line, and it answers once; there is no further protocol.
"""

import hashlib
from functools import cache

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from common.aws.calls import CannotContinueError
from common.errors import FailedError
from common.project import ROOT
from common.records.load import Rate, Setup
from common.records.schema import decoder
from common.records.window import Load
from common.runtimes.running_server import LoadTask, RunningServer
from loadtests.experiments.latency.records import Point
from loadtests.windows.by_locust import longest_s
from loadtests.windows.tools import GeneratorError

LINE = ("python3", "-m", "loadtests.experiments.latency.load_task")
"""The command that the task runs, to be followed by its order."""
WINDOW = "window"
"""The name of the only window of an order without a point."""
SLACK_S = 30.0
"""The time that a task has in addition to its windows."""


class LoadOrder(Struct, frozen=True, kw_only=True):
    """The work of a task: one window, or all the traffic of a point."""

    code: str
    url: str
    setup: Setup
    seed: int | None = None
    point: Point | None = None
    traffic_seed: str = ""
    """Seeds the order of the point's traffic."""


class LoadResult(Struct, frozen=True, kw_only=True):
    """The result of the task: records by name, and the error that ended it."""

    loads: dict[str, Load] = {}
    server_error: str | None = None
    generator_error: str | None = None
    stale_image: bool = False
    """Whether the image was built from code other than that of the process that gave the order."""


def measure(server: RunningServer, task: LoadTask, setup: Setup, *, seed: int | None) -> Load:
    """Return one window measured by the task; errors as in ``ask``."""
    rate = setup.load.rate or Rate()
    needed_s = longest_s(setup.load) * (1 if rate.share is None else 2)
    result = ask(task, LoadOrder(code=code_digest(), url=task.url, setup=setup, seed=seed), needed_s)
    raise_errors(server, result)
    return result.loads[WINDOW]


def ask(task: LoadTask, order: LoadOrder, needed_s: float) -> LoadResult:
    """Give the task its order and return its result, which may take ``needed_s``; ``FailedError`` if it fails."""
    short = replace(order, setup=replace(order.setup, ceiling=None))  # a task definition holds 64 KB at most
    line = (*LINE, msgspec.json.encode(short).decode())
    result: LoadResult = decoder(LoadResult).decode(task.ask(line, needed_s + SLACK_S))
    return result


def raise_errors(server: RunningServer, result: LoadResult) -> None:
    """Raise the error of a result, if any.

    ``FailedError`` if the server failed, ``GeneratorError`` if the generator did, ``CannotContinueError`` if its image
    is stale.
    """
    if result.stale_image:
        raise CannotContinueError(
            "the generator's image in the registry was built from other code. Run make generator REGISTRY= with the "
            "registry that tasks pull from."
        )
    if result.server_error or result.generator_error:
        if (reason := server.exit_reason() or result.server_error) is not None:
            raise FailedError(reason)
        raise GeneratorError(f"in the second task: {result.generator_error}")


@cache
def code_digest() -> str:
    """Return a digest of the harness's sources, which is equal here and in an image that was built from them."""
    digest = hashlib.sha256()
    for file in sorted(file for package in ("common", "loadtests") for file in (ROOT / package).rglob("*.py")):
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()
