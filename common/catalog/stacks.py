"""Stacks: frameworks on servers, and which of them a user's names select."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.catalog.frameworks import Framework
from common.catalog.servers import DEFAULTS, SERVERS, Server
from common.errors import UsageError
from common.words import canonical, select

DEFAULT = "default"
"""The value of ``FRAMEWORK=`` that stands for the default frameworks, and of ``SERVER=`` for each one's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A framework on a server."""

    framework: Framework
    server: Server

    @property
    def name(self) -> str:
        """The stack's name in tables and records: ``falcon+gunicorn-gthread``."""
        return f"{self.framework.name}+{self.server.name}"

    @property
    def processes(self) -> bool:
        """Whether it can run several worker processes."""
        own = self.framework.command
        return "{workers}" in own if own else self.server.processes

    def unavailable(self, *places: str) -> str | None:
        """Return why the stack is not available on one of ``places`` (images, runtimes), or ``None`` if it is."""
        reasons = {**self.server.unavailable, **self.framework.unavailable}
        return next((reasons[place] for place in (self.server.kind, *places) if place in reasons), None)


def stacks(framework: str, server: str, known: Mapping[str, Framework]) -> tuple[Stack, ...]:
    """Return every selected framework on every selected server that can serve it.

    ``framework`` and ``server`` are comma-separated names, ``all`` or ``default``. Raises ``UsageError`` if none of the
    servers can serve a framework that was selected by its name, or any framework.
    """
    servers = {name: _servers(known[name], server) for name in select_frameworks(framework, known)}
    missing = [name for name, able in servers.items() if not able]
    named = [name for name in missing if canonical(name) in map(canonical, framework.split(","))]
    if named or len(missing) == len(servers):
        name = (named or missing)[0]
        raise UsageError(
            f"SERVER={server} cannot serve {name} ({known[name].interface}). "
            f"Accepted: {', '.join(choice.name for choice in compatible(known[name]))}, all, default."
        )
    return tuple(Stack(framework=known[name], server=one) for name, able in servers.items() for one in able)


def select_frameworks(text: str, known: Mapping[str, Framework]) -> tuple[str, ...]:
    """Return the frameworks that ``FRAMEWORK=`` names, ``default`` for those that are selected without it."""
    groups = {DEFAULT: [name for name, framework in known.items() if framework.default]}
    return select(text, known, variable="FRAMEWORK", groups=groups)


def compatible(framework: Framework) -> tuple[Server, ...]:
    """Return every server that can serve the framework's interface."""
    return tuple(server for server in SERVERS.values() if framework.interface in server.interfaces)


def _servers(framework: Framework, text: str) -> tuple[Server, ...]:
    if canonical(text) == DEFAULT:
        return (SERVERS[DEFAULTS[framework.interface]],)
    selected = select(text, SERVERS, variable="SERVER")
    return tuple(server for server in compatible(framework) if server.name in selected)
