"""A Locust user that is one of the connections over which an open loop sends.

    class Visitors(ArrivalUser):
        @task
        def hello(self) -> None:
            self.sends(Request("/hello", expect=json_string("hello world")))

``--rate`` is the whole rate, of all users on all workers; ``--arrivals`` says how arrivals follow each other. ``-u`` is
how many connections there are: an arrival that finds all of them busy waits, and its response time with it.
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
        """Make the connection ready, and give the loop its rate."""
        super().on_start()
        options = options_of(self.environment)
        loop = open_loop_of(self.environment)
        if not loop.connections:
            loop.schedule = Schedule(Arrivals(options.arrivals), seed_here(self.environment))
        loop.pace(options.rate / connections_in_all(self.environment))


def seed_here(environment: Environment) -> int | None:
    """This process's seed: each worker draws arrivals of its own, or their sum would not be a Poisson process."""
    seed: int | None = options_of(environment).arrival_seed
    runner = environment.runner
    return seed + (runner.worker_index << 32) if seed is not None and isinstance(runner, WorkerRunner) else seed


def open_loop_of(environment: Environment) -> OpenLoop:
    """The open loop of this process."""
    loop = loop_of(environment, OpenLoop)
    assert isinstance(loop, OpenLoop)
    return loop


def connections_in_all(environment: Environment) -> int:
    """How many users there are to be, on all workers together."""
    options = options_of(environment)
    return int(options.connections_in_all or options.num_users or 1)


def pace_anew(**_: object) -> None:
    """Go on at the rate and with the connections that there are now: the web UI may have changed both."""
    for environment, loop in all_loops():
        if isinstance(loop, OpenLoop) and loop.connections:
            loop.pace(options_of(environment).rate / connections_in_all(environment))


def tell_workers(environment: Environment, **_: object) -> None:
    """Have the master send the number of users along: Locust sends a worker our options, and only its own users."""
    if environment.parsed_options is not None:
        count_connections(environment, str(environment.parsed_options.num_users))


def count_connections(environment: Environment, users: str) -> None:
    """Have a master send this number of users to its workers, if it is one."""
    if isinstance(environment.runner, MasterRunner) and users.isdecimal():
        options_of(environment).connections_in_all = int(users)


events.test_start.add_listener(tell_workers)  # type: ignore[no-untyped-call]
events.spawning_complete.add_listener(pace_anew)  # type: ignore[no-untyped-call]
