"""A Locust user that is one HTTP/1.1 connection, at the cost of wrk's.

    class Hello(KeepAliveUser):
        requests = (Request("/hello", expect=json_string("hello world")),)

``-u``, the spawn rate, shapes, workers, and ``wait_time`` between requests mean what they mean for any Locust user. A
user's greenlet only registers its connection and waits: the process's one engine drives all connections. No TLS and no
HTTP/2: for those there is Locust's FastHttpUser.
"""

import socket
from collections.abc import Callable, Sequence
from typing import ClassVar
from urllib.parse import urlsplit

from locust import User, task
from locust.exception import StopUser

from common.errors import UsageError
from loadtests.users.answers import Request
from loadtests.users.connection import Address, Connection
from loadtests.users.engine import Engine
from loadtests.users.engines import engine_of

PROBE_S = 1.0
"""How long an address of a name that has several may take to accept a connection."""

_addresses: dict[tuple[str, int], Address] = {}


class KeepAliveUser(User):
    """One connection that sends ``requests``, drawn by weight, each as soon as the one before is answered.

    ``wait_time`` puts a pause between them, as for any Locust user.
    """

    abstract = True
    requests: ClassVar[Sequence[Request]] = ()
    engine_kind: ClassVar[type[Engine]] = Engine
    """The loop that drives the connections of these users."""

    def plan(self) -> Sequence[Request]:
        """The requests to draw from; to be overridden where they depend on options."""
        return self.requests

    def on_start(self) -> None:
        """Make the connection ready; ``UsageError`` for a host that cannot be used."""
        address, host, prefix = destination(self.host or "")
        self.engine = engine_of(self.environment, self.engine_kind)
        targets = [self.engine.target(request.under(prefix), host) for request in self.plan()]
        self.connection = Connection(address, targets, think=self._think())

    @task
    def drive(self) -> None:
        """Have the engine drive the connection until this user is stopped."""
        try:
            self.engine.add(self.connection)
            self.connection.done.get()
        except Exception as error:
            fire = self.environment.events.user_error.fire
            fire(user_instance=self, exception=error, tb=error.__traceback__)
            raise StopUser from error  # the engine is broken: Locust would run this task again, and again
        finally:
            self.engine.remove(self.connection)

    def stop(self, force: bool = False) -> bool:  # noqa: FBT001, FBT002 -- Locust's signature
        """As Locust's: without force, the request that is out may still be answered."""
        if not force and hasattr(self, "connection"):
            self.engine.finish(self.connection)
        return bool(super().stop(force))

    def _think(self) -> Callable[[], float] | None:
        return None if type(self).wait_time is User.wait_time else self.wait_time


def destination(base: str) -> tuple[Address, str, str]:
    """Address, ``Host`` header and path prefix of a base URL; ``UsageError`` says what is accepted."""
    url = urlsplit(base)
    if url.scheme != "http" or not url.hostname:
        raise UsageError(
            f"--host {base} cannot be used. Accepted: http://NAME[:PORT][/PREFIX]; https needs Locust's FastHttpUser."
        )
    try:
        return _address(url.hostname, url.port or 80), url.netloc.rpartition("@")[2], url.path.rstrip("/")
    except (ValueError, OSError) as error:
        raise UsageError(f"--host {base} cannot be used: {error}. Accepted: a name that resolves.") from error


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
