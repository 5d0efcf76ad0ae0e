"""The engines of a process: one for each kind of loop in each Locust environment, kept in step with its statistics."""

from collections.abc import Iterable
from weakref import WeakKeyDictionary

from locust import events
from locust.env import Environment

from .connection import Target
from .engine import Engine
from .exchange import Listener
from .locust_stats import Merger
from .tally import Tally

MS_PER_S = 1000

_engines: WeakKeyDictionary[Environment, dict[tuple[type[Engine], bool], Engine]] = WeakKeyDictionary()
"""By kind, and by whether they fire an event for each request, which the web UI can change between tests."""


def engine_of(environment: Environment, kind: type[Engine] = Engine) -> Engine:
    """The engine of this kind that drives the connections of all users of ``environment`` in this process."""
    engines = _engines.setdefault(environment, {})
    listened_to = bool(getattr(environment.parsed_options, "per_request_events", False))
    if (kind, listened_to) not in engines:
        engines[kind, listened_to] = _made(environment, kind, listened_to=listened_to)
    return engines[kind, listened_to]


def engines_now() -> list[tuple[Environment, Engine]]:
    """Every engine of this process."""
    return [(environment, engine) for environment, engines in _engines.items() for engine in engines.values()]


def tallies_of(environment: Environment) -> Iterable[Tally]:
    """Everything counted in this process for ``environment``."""
    return [tally for engine in _engines.get(environment, {}).values() for tally in engine.tallies.values()]


def all_tallies() -> list[Tally]:
    """Everything counted in this process."""
    return [tally for environment in list(_engines) for tally in tallies_of(environment)]


def flush_engines(**_: object) -> None:
    """Bring Locust's statistics up to date now: before a worker reports them, and before they are reset."""
    for engines in _engines.values():
        for engine in engines.values():
            engine.flush()


# Listeners are called in the order they came, and Locust adds its own when it makes a runner, which is later.
events.spawning_complete.add_listener(flush_engines)  # type: ignore[no-untyped-call]
events.report_to_master.add_listener(flush_engines)  # type: ignore[no-untyped-call]


def _made(environment: Environment, kind: type[Engine], *, listened_to: bool) -> Engine:
    if listened_to:
        return kind(flush=lambda: None, listener=_event_of(environment))
    merger = Merger(environment)

    def flush() -> None:
        merger.merge(engine.tallies.values())

    engine = kind(flush=flush)
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
