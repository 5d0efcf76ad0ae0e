"""What there is to choose from and what was chosen: stacks, and the sizes they are given."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.catalog.frameworks import Framework
from common.catalog.selection import canonical, select
from common.catalog.servers import DEFAULTS, SERVERS, Server
from common.errors import UsageError

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A framework on a server."""

    framework: Framework
    server: Server

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.framework.name}+{self.server.name}"

    def unavailable(self, *places: str) -> str | None:
        """Why its framework or its server cannot be had in one of ``places`` (images, runtimes); ``None`` if it can."""
        reasons = {**self.server.unavailable, **self.framework.unavailable}
        return next((reasons[place] for place in (self.server.name, *places) if place in reasons), None)


def stacks(framework: str, server: str, known: Mapping[str, Framework]) -> tuple[Stack, ...]:
    """Every framework asked for on every server asked for that can serve it.

    ``server`` is a list of names, ``all``, or ``default`` for each framework's own. A framework that none of the
    servers asked for can serve is a ``UsageError``, unless all frameworks were asked for.
    """
    chosen = select(framework, known, variable="FRAMEWORK")
    found = tuple(Stack(framework=known[name], server=one) for name in chosen for one in _servers(known[name], server))
    missing = set(chosen) - {stack.framework.name for stack in found}
    if not found or (missing and canonical(framework) != "all"):
        name = min(missing)
        raise UsageError(
            f"SERVER={server} cannot serve {name} ({known[name].interface}). "
            f"Accepted: {', '.join(one.name for one in compatible(known[name]))}, all, default."
        )
    return found


def compatible(framework: Framework) -> tuple[Server, ...]:
    """Every server that speaks the framework's interface."""
    return tuple(server for server in SERVERS.values() if framework.interface in server.interfaces)


def _servers(framework: Framework, text: str) -> tuple[Server, ...]:
    if canonical(text) == DEFAULT:
        return (SERVERS[DEFAULTS[framework.interface]],)
    wanted = select(text, SERVERS, variable="SERVER")
    return tuple(server for server in compatible(framework) if server.name in wanted)
