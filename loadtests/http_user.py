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
from weakref import WeakKeyDictionary

from locust import User, events, task
from locust.env import Environment
from locust.exception import StopUser

from common.errors import UsageError
from loadtests.answers import Request
from loadtests.connection import Address, Connection, Target
from loadtests.engine import Engine, Listener
from loadtests.locust_stats import Merger

MS_PER_S = 1000
PROBE_S = 1.0
"""How long an address of a name that has several may take to accept a connection."""

_engines: WeakKeyDictionary[Environment, Engine] = WeakKeyDictionary()
_addresses: dict[tuple[str, int], Address] = {}


class KeepAliveUser(User):
    """One connection that sends ``requests``, drawn by weight, each as soon as the one before is answered.

    ``wait_time`` puts a pause between them, as for any Locust user.
    """

    abstract = True
    requests: ClassVar[Sequence[Request]] = ()

    def plan(self) -> Sequence[Request]:
        """The requests to draw from; to be overridden where they depend on options."""
        return self.requests

    def on_start(self) -> None:
        """Make the connection ready; ``UsageError`` for a host that cannot be used."""
        address, host, prefix = destination(self.host or "")
        self.engine = engine_of(self.environment)
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


def flush_engines(**_: object) -> None:
    """Bring Locust's statistics up to date now: before a worker reports them, and before they are reset."""
    for engine in _engines.values():
        engine.flush()


# Listeners are called in the order they came, and Locust adds its own when it makes a runner, which is later.
events.spawning_complete.add_listener(flush_engines)  # type: ignore[no-untyped-call]
events.report_to_master.add_listener(flush_engines)  # type: ignore[no-untyped-call]


def engine_of(environment: Environment) -> Engine:
    """The engine that drives the connections of all users of ``environment`` in this process."""
    found = _engines.get(environment)
    if found is None:
        if getattr(environment.parsed_options, "per_request_events", False):
            found = Engine(flush=lambda: None, listener=_event_of(environment))
        else:
            found = _merging_engine(environment)
        _engines[environment] = found
    return found


def _merging_engine(environment: Environment) -> Engine:
    merger = Merger(environment)

    def flush() -> None:
        merger.merge(engine.tallies.values())

    engine = Engine(flush=flush)
    return engine


def _event_of(environment: Environment) -> Listener:
    """A listener that fires Locust's request event, from which Locust itself and its plugins count."""

    def fire(target: Target, elapsed_s: float, body_bytes: int, reason: str | None) -> None:
        environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=target.request.method,
            name=target.request.label,
            response_time=elapsed_s * MS_PER_S,
            response_length=body_bytes,
            exception=reason,
            context={},
        )

    return fire


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
