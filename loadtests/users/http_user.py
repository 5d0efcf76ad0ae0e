"""A Locust user that is one HTTP/1.1 connection, at the cost of wrk's.

    class Visitor(KeepAliveUser):
        @task(9)
        def hello(self) -> None:
            self.sends(Request("/hello", expect=json_string("hello world")))

``-u``, the spawn rate, shapes, workers, tasks' weights, ``@tag``, and ``wait_time`` between requests mean what they
mean for any Locust user. A task does not send: it says what is sent, once, when its user starts. From then on the
user's greenlet waits, and the process's one engine drives all connections. No TLS and no HTTP/2: ``FastUser`` sends
what the same tasks say over Locust's FastHttpUser.
"""

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

import gevent
from locust import FastHttpUser, TaskSet, User
from locust.env import Environment
from locust.exception import StopTest, StopUser

from .closed_loop import ClosedLoop
from .connection import Address, Connection
from .loops import loop_of
from .responses import Request

PROBE_S = 1.0
"""How long an address of a name that has several may take to accept a connection."""

_addresses: dict[tuple[str, int], Address] = {}


class HostError(StopTest):
    """The host cannot be used, which ends the test; the text says what can."""


class KeepAliveUser(User):
    """One connection that sends what its tasks say, drawn by their weights, each as soon as the one before is answered.

    ``wait_time`` puts a pause between them, as for any Locust user.
    """

    abstract = True
    loop_class: ClassVar[type[ClosedLoop]] = ClosedLoop
    """The loop that drives the connections of these users."""
    in_turn: ClassVar[bool] = False
    """Whether requests are sent one after the other in the order of the tasks, rather than drawn by weight."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._said: list[Request] = []

    def sends(self, request: Request) -> None:
        """Have this be what the task that calls it stands for; a task may call it several times."""
        self._said.append(request)

    def on_start(self) -> None:
        """Make the connection ready; end the test where that is impossible, with the reason in Locust's log.

        ``HostError`` for a host that cannot be used, ``StopTest`` where no task is left to say what is sent: by
        ``--tags``, or by the web UI's choice of tasks.
        """
        try:
            self._prepare()
        except StopTest:
            gevent.spawn(_end_test, self.environment)  # Locust itself ends no more than this user
            raise

    def _prepare(self) -> None:
        address, host, prefix = destination(self.host or "")
        self.loop = loop_of(self.environment, self.loop_class)
        targets = [self.loop.target(request.under(prefix), host) for request in self._plan()]
        if not targets:
            raise StopTest(f"{type(self).__name__} has no task that says what is sent. Are --tags right?")
        self.connection = Connection(address, targets, think=self._think(), in_turn=self.in_turn)
        self.tasks = [KeepAliveUser.drive]  # what this user does from now on; the class's tasks have said their say

    def drive(self) -> None:
        """Have the engine drive the connection until this user is stopped."""
        try:
            self.loop.add(self.connection)
            self.connection.done.get()
        except Exception as error:
            fire = self.environment.events.user_error.fire
            fire(user_instance=self, exception=error, tb=error.__traceback__)
            raise StopUser from error  # the engine is broken: Locust would run this task again, and again
        finally:
            self.loop.remove(self.connection)

    def stop(self, force: bool = False) -> bool:  # noqa: FBT001, FBT002 -- Locust's signature
        """As Locust's: without force, the request that is out may still be answered."""
        if not force and hasattr(self, "connection"):
            self.loop.finish(self.connection)
        return bool(super().stop(force))

    def _plan(self) -> Iterator[Request]:
        for say, weight in Counter(type(self).tasks).items():
            if isinstance(say, type | TaskSet):
                raise StopTest(f"{type(self).__name__} has a TaskSet. Accepted: tasks that are methods.")
            self._said.clear()
            say(self)
            yield from (replace(request, weight=request.weight * weight) for request in self._said)

    def _think(self) -> Callable[[], float] | None:
        return None if type(self).wait_time is User.wait_time else self.wait_time


def _end_test(environment: Environment) -> None:
    runner, options = environment.runner, environment.parsed_options
    environment.process_exit_code = 1
    if runner is not None:
        (runner.quit if options is not None and options.headless else runner.stop)()


def destination(base: str) -> tuple[Address, str, str]:
    """Address, ``Host`` header and path prefix of a base URL; ``HostError`` says what is accepted."""
    url = urlsplit(base)
    if url.scheme != "http" or not url.hostname:
        raise HostError(f"--host {base} cannot be used. Accepted: http://NAME[:PORT][/PREFIX]; https needs a FastUser.")
    try:
        return _address(url.hostname, url.port or 80), url.netloc.rpartition("@")[2], url.path.rstrip("/")
    except (ValueError, OSError) as error:
        raise HostError(f"--host {base} cannot be used: {error}. Accepted: a name that resolves.") from error


def _address(name: str, port: int) -> Address:
    """The first address of a name that takes connections, or else its first one; looked up once."""
    if (name, port) not in _addresses:
        found = [(entry[0], entry[4]) for entry in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]
        _addresses[name, port] = next(filter(_listens, found), found[0]) if len(found) > 1 else found[0]
    return _addresses[name, port]


def _listens(address: Address) -> bool:
    with socket.socket(address[0], socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        return probe.connect_ex(address[1]) == 0


class FastUser(FastHttpUser):
    """A FastHttpUser whose tasks say what to send to ``sends``, and whose answers are checked."""

    abstract = True

    def sends(self, request: Request) -> None:
        """Send the request now, and count its answer as good only where status and body are."""
        send: Any = self.client.request  # its annotations do not know of bytes, nor of catch_response
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
