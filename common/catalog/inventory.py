"""What there is to choose from, as text or JSON."""

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table

from common.catalog.frameworks import Framework, Interface
from common.catalog.images import images
from common.catalog.servers import DEFAULTS, SERVERS, Server
from common.catalog.stacks import compatible


def as_json(known: Mapping[str, Framework], engine: str | None) -> str:
    """Everything below in one JSON object; ``engine`` says why there is no Docker engine, or is ``None``."""
    return json.dumps(
        {
            "frameworks": {name: _framework(one) for name, one in known.items()},
            "servers": {name: _server(name) for name in SERVERS},
            "images": {name: one.reference for name, one in images().items()},
            "runtimes": {"process": None, "docker": engine},
        },
        indent=2,
    )


def as_tables(known: Mapping[str, Framework], engine: str | None) -> Group:
    """The same for a terminal."""
    return Group(_frameworks(known), _servers(), _images(engine))


def _framework(one: Framework) -> dict[str, Any]:
    return {
        "title": one.title,
        "version": one.version,
        "interface": one.interface,
        "servers": [server.name for server in compatible(one)],
        "default_server": DEFAULTS[one.interface],
        "unavailable": dict(one.unavailable),
    }


def _server(name: str) -> dict[str, Any]:
    server = SERVERS[name]
    return {
        "interfaces": sorted(server.interfaces),
        "requirements": [*server.requirements, *server.loop_requirements],
        "keep_alive": server.keep_alive,
        "unavailable": dict(server.unavailable),
        "default_for": sorted(interface for interface in Interface if DEFAULTS[interface] == name),
    }


def _frameworks(known: Mapping[str, Framework]) -> Table:
    rows = (
        (name, one.version or "-", one.interface, DEFAULTS[one.interface], _reasons(one.unavailable))
        for name, one in known.items()
    )
    return _table("FRAMEWORK", ("version", "interface", "default SERVER", "not available"), rows)


def _servers() -> Table:
    rows = ((name, *_words(one)) for name, one in SERVERS.items())
    return _table("SERVER", ("interfaces", "packages", "connections", "not available"), rows)


def _words(server: Server) -> tuple[str, str, str, str]:
    packages = (*server.requirements, *server.loop_requirements)
    return (
        ", ".join(sorted(server.interfaces)),
        ", ".join(packages) or "the framework's own",
        "keep-alive" if server.keep_alive else "closing",
        _reasons(server.unavailable),
    )


def _images(engine: str | None) -> Table:
    title = "IMAGE" if engine is None else f"IMAGE (not available: {engine})"
    return _table(title, ("base",), ((name, one.reference) for name, one in images().items()))


def _reasons(unavailable: Mapping[str, str]) -> str:
    return "; ".join(f"{place}: {reason}" for place, reason in unavailable.items())


def _table(name: str, headings: tuple[str, ...], rows: Any) -> Table:  # noqa: ANN401 -- any iterable of rows
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for heading in (name, *headings):
        table.add_column(heading)
    for row in rows:
        table.add_row(*row)
    table.add_row()
    return table
