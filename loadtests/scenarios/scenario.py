"""The base class of scenarios, which declare what is sent, how it is paced, and what must come back.

Nothing here imports Locust, which monkey-patches the process that imports it. ``locust_users`` makes Locust users from
scenarios; planning and analysis need only this module.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from common.catalog.frameworks import App
from common.records.load import Objective, Rate
from loadtests.users.responses import Request

USERS = 16
"""The default of ``USERS=``."""
MOST_USERS, MOST_USERS_IN_ALL = 10_000, 1_000_000
"""The most connections of one load generator, and of the workers of a master together."""
WARMUP_S, WINDOW_S = 1.0, 2.0
MOST_WARMUP_S = 41.0
"""The longest warm-up of a server whose rate goes on rising."""
"""The load before a window and in it, of servers that are loaded one at a time."""
DELAY_MS = 100
"""The delay of scenarios that sleep, unless another is asked for."""
MakeRequest = Callable[[int], Request]
"""Returns a request for a delay in milliseconds, which scenarios that do not sleep ignore."""


class Climb(StrEnum):
    """The quantity that a climbing scenario raises until its objective breaks."""

    RATE = "req/s"
    CONNECTIONS = "sleepers in flight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A kind of request that a scenario sends."""

    name: str = ""
    """The name of its attribute in the scenario."""
    makes: tuple[MakeRequest, ...]
    """What makes its requests, of which each is as likely as the others."""
    weight: int
    tags: tuple[str, ...]

    def __call__(self, delay_ms: int) -> Request:
        """Return the request for this delay, the first where there are several."""
        return self.makes[0](delay_ms)

    def requests(self, delay_ms: int) -> list[Request]:
        """Return all its requests for this delay, whose weights add up to one."""
        return [replace(make(delay_ms), weight=1 / len(self.makes)) for make in self.makes]


class Scenario:
    """A workload. To add one, add a subclass to ``loadtests.scenarios.workloads``."""

    open_loop: ClassVar[bool] = False
    """Whether requests are sent at a rate, whether or not earlier ones are answered."""
    climbs: ClassVar[Climb | None] = None
    """The quantity that is raised until the objective breaks; ``None`` for a steady load."""
    in_turn: ClassVar[bool] = False
    """Whether each connection sends the tasks in turn rather than drawing them by weight."""
    default_rate: ClassVar[Rate | None] = None
    sleeps: ClassVar[bool] = False
    """Whether it uses ``DELAY=``."""
    in_words: ClassVar[str] = ""
    """One of its requests, in a sentence about how much of it is the framework; empty where nobody asks."""
    app: ClassVar[App] = App.APP
    """The app of each framework that it loads."""
    tasks: ClassVar[tuple[Task, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Collect the tasks, inherited ones included, in the order in which they were defined."""
        own = [replace(value, name=name) for name, value in vars(cls).items() if isinstance(value, Task)]
        inherited = [task for base in cls.__bases__ for task in getattr(base, "tasks", ())]
        names = {task.name for task in own}
        cls.tasks = (*(task for task in inherited if task.name not in names), *own)

    @classmethod
    def name(cls) -> str:
        """Return its name for ``SCENARIO=``."""
        return cls.__name__.lower()

    @classmethod
    def default_objective(cls, delay_ms: int) -> Objective | None:  # noqa: ARG003 -- subclasses use it
        """Return the default objective of the steps of a climb; ``None`` for a steady load."""
        return None

    @classmethod
    def wrk_paths(cls, delay_ms: int) -> Sequence[str] | None:
        """Return the paths that wrk sends, each as often as it is drawn; ``None`` if wrk cannot run the scenario.

        wrk sends GET requests in a closed loop and counts any status below 400 as a success.
        """
        most = max(len(task.makes) for task in cls.tasks)
        requests = [
            (request, task.weight * most // len(task.makes))
            for task in cls.tasks
            for request in task.requests(delay_ms)
        ]
        plain = all(request.method == "GET" and request.status < 400 for request, _ in requests)  # noqa: PLR2004
        if cls.open_loop or cls.climbs or not plain:
            return None
        return [request.path for request, weight in requests for _ in range(weight)]


def sends(*, weight: int = 1, tags: tuple[str, ...] = ()) -> Callable[..., Task]:
    """Make functions that return requests a task of its scenario, drawn with ``weight``."""

    def decorate(*makes: MakeRequest) -> Task:
        return Task(makes=makes, weight=weight, tags=tags)

    return decorate
