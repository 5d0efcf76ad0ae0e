"""Windows made by a task beside the server's: what it is told to do, and what it answers.

The task runs ``loadtests.fargate.load_task``, which makes the windows as they are made here, with the same code, and
hands their records back. It is told everything on its command line and answers once: there is no protocol beyond that.
"""

import hashlib
from functools import cache

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from common.aws.calls import CannotContinueError
from common.errors import FailedError
from common.project import ROOT
from common.records.latency import Point
from common.records.run import Run
from common.records.window import Load
from common.runtimes.base import LoadTask, RunningServer
from loadtests.latency.points import longest_window_s
from loadtests.runs.plan import Step
from loadtests.scenarios.rates import Rate
from loadtests.windows.generator import GeneratorError
from loadtests.windows.throughput import START_UP_S, longest_s

LINE = ("python3", "-m", "loadtests.fargate.load_task")
"""What the task runs, followed by its order."""
WINDOW = "window"
"""The name of an order's only window."""
SLACK_S = 30.0
"""How much longer than its windows a task may take."""


class Order(Struct, frozen=True, kw_only=True):
    """What a task is to do with a server: one window, or all the traffic of a visit."""

    code: str
    url: str
    run: Run
    seed: int | None = None
    step: Step | None = None
    point: Point | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """What it did: records by name, and why there are no more."""

    loads: dict[str, Load] = {}
    lost: str | None = None
    """What went wrong with the server."""
    broken: str | None = None
    """What went wrong with the generator."""
    other_code: bool = False
    """Whether the image holds other code than who ordered it runs."""


def window(running: RunningServer, there: LoadTask, run: Run, *, seed: int | None) -> Load:
    """Measure one window from the second task.

    Raises what ``throughput.measure`` raises, and ``CannotContinueError`` where the image is stale.
    """
    rate = Rate.parse(run.rate) if run.rate is not None else Rate()
    needed_s = longest_s(run) * (1 if rate.share is None else 2)
    answer = _answer(there, Order(code=code(), url=there.url, run=_short(run), seed=seed), needed_s)
    _raise(running, answer)
    return answer.loads[WINDOW]


def visit(
    running: RunningServer, there: LoadTask, run: Run, *, step: Step, point: Point, loads: dict[str, Load]
) -> None:  # fmt: skip
    """All traffic of a visit made there, into ``loads``; errors as ``window``."""
    needed_s = sum(START_UP_S + run.warmup_s + longest_window_s(one) for one in point.traffic)
    answer = _answer(there, Order(code=code(), url=there.url, run=_short(run), step=step, point=point), needed_s)
    loads.update(answer.loads)
    _raise(running, answer)


@cache
def code() -> str:
    """A digest of the harness's own sources: equal here and in an image that was built of them."""
    digest = hashlib.sha256()
    for file in sorted(file for room in ("common", "loadtests") for file in (ROOT / room).rglob("*.py")):
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _short(run: Run) -> Run:
    """Without what a window does not need: a task definition holds 64 KB."""
    return replace(run, cells=[], command_line=[])


def _answer(there: LoadTask, order: Order, needed_s: float) -> Answer:
    line = (*LINE, msgspec.json.encode(order).decode())
    return msgspec.json.decode(there.ask(line, needed_s + SLACK_S), type=Answer)


def _raise(running: RunningServer, answer: Answer) -> None:
    if answer.other_code:
        raise CannotContinueError(
            "the generator's image in the registry is of other code than this. Run: make generator REGISTRY= with the "
            "registry that tasks pull from."
        )
    if answer.lost or answer.broken:
        if (how := running.exit_reason() or answer.lost) is not None:
            raise FailedError(how)
        raise GeneratorError(f"in the second task: {answer.broken}")
