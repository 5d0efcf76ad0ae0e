"""Locust users that are one HTTP/1.1 connection each and cost about as little CPU time as one of wrk's.

    class Visitor(KeepAliveUser):
        @task(9)
        def hello(self) -> None:
            self.sends(Request("/hello", expect=json_string("hello world")))

``-u``, the spawn rate, shapes, workers, task weights, ``@tag`` and ``wait_time`` between requests mean the same as for
any Locust user. A task does not send; it registers its requests once, when its user starts. From then on the user's
greenlet waits, and the process's single loop drives all connections. There is no TLS and no HTTP/2; ``FastUser`` sends
the same tasks' requests over Locust's FastHttpUser.

An ``ArrivalUser`` with the same tasks is one of the connections of an open loop. ``--rate`` is the total rate of all
users on all workers, ``--arrivals`` the kind of gaps between arrivals, and ``-u`` the number of connections. An arrival
that finds all connections busy waits, and its response time includes the wait.
"""

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

import gevent
from locust import FastHttpUser, TaskSet, User, events
from locust.env import Environment
from locust.exception import StopTest, StopUser
from locust.runners import MasterRunner, WorkerRunner

from .arrivals import Arrivals, Schedule
from .closed_loop import ClosedLoop
from .connection import RESET_AT_CLOSE, Address, Connection
from .loops import all_loops, loop_of
from .open_loop import OpenLoop
from .options import options_of
from .responses import Request

PROBE_S = 1.0
"""The time limit for an address to accept a connection that is closed at once."""

_addresses: dict[tuple[str, int], Address] = {}


class HostError(StopTest):
    """The host cannot be used, which ends the test; the message says what is accepted."""


class KeepAliveUser(User):
    """One connection that sends its tasks' requests, drawn by weight, each as soon as the previous one is answered.

    ``wait_time`` adds a pause between requests, as for any Locust user.
    """

    abstract = True
    loop_class: ClassVar[type[ClosedLoop]] = ClosedLoop
    """The loop that drives the connections of these users."""
    in_turn: ClassVar[bool] = False
    """Whether requests are sent in turn, in the order of the tasks, rather than drawn by weight."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._registered: list[Request] = []

    def sends(self, request: Request) -> None:
        """Register a request of the calling task; a task may register several."""
        self._registered.append(request)

    def on_start(self) -> None:
        """Prepare the connection; if that is impossible, end the test with the reason in Locust's log.

        Raise ``HostError`` for a host that cannot be used, and ``StopTest`` if ``--tags`` or the web UI leave no task.
        """
        try:
            self._prepare()
        except StopTest:
            gevent.spawn(_end_test, self.environment)  # Locust itself would end only this user
            raise

    def _prepare(self) -> None:
        address, host, prefix = destination(self.host or "")
        self.loop = loop_of(self.environment, self.loop_class)
        targets = [self.loop.target(request.under(prefix), host) for request in self._requests()]
        if not targets:
            raise StopTest(f"{type(self).__name__} has no task that sends a request. Check --tags and --exclude-tags.")
        # Until a client first closes a connection, a server on asyncio's own loop can be a third slower: glibc maps and
        # unmaps a buffer of 256 KiB for every read until a whole one is freed, which happens when a connection ends.
        with suppress(OSError):  # the loop counts what keeps a user from opening its connection
            _open_and_close(address)
        self.connection = Connection(address, targets, think=self._think(), in_turn=self.in_turn)
        self.tasks = [KeepAliveUser.drive]  # the class's tasks have registered their requests

    def drive(self) -> None:
        """Let the loop drive the connection until this user is stopped."""
        try:
            self.loop.add(self.connection)
            self.connection.done.get()
        except Exception as error:
            fire = self.environment.events.user_error.fire
            fire(user_instance=self, exception=error, tb=error.__traceback__)
            raise StopUser from error  # the loop has failed, and Locust would repeat this task for ever
        finally:
            self.loop.remove(self.connection)

    def stop(self, force: bool = False) -> bool:  # noqa: FBT001, FBT002 -- Locust's signature
        """Stop the user; without ``force``, the request in flight may still be answered."""
        if not force and hasattr(self, "connection"):
            self.loop.finish(self.connection)
        return bool(super().stop(force))

    def _requests(self) -> Iterator[Request]:
        for register, weight in Counter(type(self).tasks).items():
            if isinstance(register, type | TaskSet):
                raise StopTest(f"{type(self).__name__} has a TaskSet. Use tasks that are methods.")
            self._registered.clear()
            register(self)
            yield from (replace(request, weight=request.weight * weight) for request in self._registered)

    def _think(self) -> Callable[[], float] | None:
        return None if type(self).wait_time is User.wait_time else self.wait_time


def _end_test(environment: Environment) -> None:
    runner, options = environment.runner, environment.parsed_options
    environment.process_exit_code = 1
    if runner is not None:
        (runner.quit if options is not None and options.headless else runner.stop)()


def destination(base: str) -> tuple[Address, str, str]:
    """Return the address, ``Host`` header and path prefix of a base URL; ``HostError`` if it cannot be used."""
    try:
        url = urlsplit(base)
        if url.scheme != "http" or not url.hostname:
            raise HostError(f"invalid --host {base}: must be http://NAME[:PORT][/PREFIX]; for https, use a FastUser.")
        return _address(url.hostname, url.port or 80), url.netloc.rpartition("@")[2], url.path.rstrip("/")
    except (ValueError, OSError) as error:
        raise HostError(f"invalid --host {base}: {error}. Use a name that resolves.") from error


def _address(name: str, port: int) -> Address:
    """Return the first address of a name that accepts connections, or else its first one; looked up once."""
    if (name, port) not in _addresses:
        addresses = [(entry[0], entry[4]) for entry in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]
        _addresses[name, port] = (
            next(filter(_open_and_close, addresses), addresses[0]) if addresses[1:] else addresses[0]
        )
    return _addresses[name, port]


def _open_and_close(address: Address) -> bool:
    """Open a connection and close it; return whether it was accepted."""
    with socket.socket(address[0], socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        probe.settimeout(PROBE_S)
        return probe.connect_ex(address[1]) == 0


class FastUser(FastHttpUser):
    """A FastHttpUser whose tasks pass their requests to ``sends``, and whose responses are checked."""

    abstract = True

    def sends(self, request: Request) -> None:
        """Send the request now, and count its response as good only if status and body are as expected."""
        send: Any = self.client.request  # its annotations lack bytes and catch_response
        with send(
            request.method,
            request.path,
            name=request.label,
            headers=dict(request.headers),
            data=request.body or None,
            allow_redirects=False,
            catch_response=True,
        ) as response:
            if not response.status_code:
                response.failure(str(response.error))
            elif (reason := request.fault(response.status_code, response.content or b"")) is not None:
                response.failure(reason)
            else:
                response.success()


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
