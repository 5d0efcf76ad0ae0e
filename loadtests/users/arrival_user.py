"""A Locust user that is one of the connections of an open loop.

    class Visitors(ArrivalUser):
        @task
        def hello(self) -> None:
            self.sends(Request("/hello", expect=json_string("hello world")))

``--rate`` is the total rate of all users on all workers, ``--arrivals`` the kind of gaps between arrivals, and ``-u``
the number of connections. An arrival that finds all connections busy waits, and its response time includes the wait.
"""

from typing import ClassVar

from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from .arrivals import Arrivals, Schedule
from .closed_loop import ClosedLoop
from .http_user import KeepAliveUser
from .loops import all_loops, loop_of
from .open_loop import OpenLoop
from .options import options_of


class ArrivalUser(KeepAliveUser):
    """One connection of an open loop."""

    abstract = True
    loop_class: ClassVar[type[ClosedLoop]] = OpenLoop

    def on_start(self) -> None:
        """Prepare the connection, and set the loop's rate."""
        super().on_start()
        options = options_of(self.environment)
        loop = open_loop_of(self.environment)
        if not loop.connections:
            loop.schedule = Schedule(Arrivals(options.arrivals), process_seed(self.environment))
        loop.pace(options.rate / total_connections(self.environment))


def process_seed(environment: Environment) -> int | None:
    """Return this process's seed; it differs between workers, or their sum would not be a Poisson process."""
    seed: int | None = options_of(environment).arrival_seed
    runner = environment.runner
    return seed + (runner.worker_index << 32) if seed is not None and isinstance(runner, WorkerRunner) else seed


def open_loop_of(environment: Environment) -> OpenLoop:
    """Return the open loop of this process."""
    loop = loop_of(environment, OpenLoop)
    assert isinstance(loop, OpenLoop)
    return loop


def total_connections(environment: Environment) -> int:
    """Return the number of users to be spawned on all workers together."""
    options = options_of(environment)
    return int(options.connections_in_all or options.num_users or 1)


def update_pace(**_: object) -> None:
    """Apply the current rate and number of connections, which the web UI may have changed."""
    for environment, loop in all_loops():
        if isinstance(loop, OpenLoop) and loop.connections:
            loop.pace(options_of(environment).rate / total_connections(environment))


def share_user_count(environment: Environment, **_: object) -> None:
    """Send workers the total number of users; Locust itself sends them our options and their own users only."""
    if environment.parsed_options is not None:
        set_user_count(environment, str(environment.parsed_options.num_users))


def set_user_count(environment: Environment, users: str) -> None:
    """Make a master send this total number of users to its workers; do nothing in other processes."""
    if isinstance(environment.runner, MasterRunner) and users.isdecimal():
        options_of(environment).connections_in_all = int(users)


events.test_start.add_listener(share_user_count)  # type: ignore[no-untyped-call]
events.spawning_complete.add_listener(update_pace)  # type: ignore[no-untyped-call]
