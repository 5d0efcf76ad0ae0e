"""Everything that can be selected on this machine, as tables or as JSON: frameworks, servers, base images and runtimes.

Beside it stands how much each package is used and maintained, from a dated file. That is shown, never ranked by.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from rich.console import Group
from rich.table import Table
from rich.text import Text

from common.catalog.frameworks import ANY_PYTHON, Framework, Interface
from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.servers import DEFAULTS, SERVERS, Server
from common.catalog.stacks import Image, compatible, images
from common.errors import UsageError

TABLE = Path(__file__).with_name("popularity.toml")
FRESH_FOR = timedelta(days=183)

Count = Annotated[int, Meta(ge=0)]
Month = Annotated[str, Meta(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
_NOT_CHECKED = "not checked; needs AWS credentials, SUBNETS= and REGISTRY="
_LEGENDS = (
    "interface: how a server calls the framework; RSGI is Granian's own, a native framework brings its own server.",
    "floor: an app without any framework, which shows what the server alone costs.",
    "FRAMEWORK=, SERVER= and IMAGE= take these names, separated by commas, or all; case, - and _ do not matter.",
    "FRAMEWORK=default is what is selected without it. Nothing is ranked by how much it is used.",
)


class Source(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The source of some numbers, and their date."""

    what: str
    name: str
    as_of: date


class Usage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The figures of one package; ``None`` where no source has one."""

    stars: Count | None = None
    stars_as_of: date | None = None
    stars_source: str | None = None
    downloads: Count | None = None
    """Downloads in the 30 days before the date of the source ``downloads``."""
    last_release: Month | None = None
    health: str | None = None


class Popularity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of ``popularity.toml``."""

    sources: dict[str, Source]
    packages: dict[str, Usage]

    def outdated(self, today: date) -> tuple[Source, ...]:
        """Return the sources whose numbers are older than six months."""
        return tuple(source for source in self.sources.values() if today - source.as_of > FRESH_FOR)

    def most_used(self) -> dict[str, Usage]:
        """Return the packages by name, the most downloaded first; those whose downloads are unknown last."""
        return dict(sorted(self.packages.items(), key=lambda item: (-(item[1].downloads or 0), item[0])))

    def sentence(self, package: str) -> str | None:
        """Return in words what is known of a package, each number with its date; ``None`` if nothing is."""
        usage = self.packages.get(package)
        if usage is None:
            return None
        known = (
            usage.downloads and f"{usage.downloads:,} downloads in 30 days ({self.sources['downloads'].as_of:%Y-%m})",
            usage.stars and f"{usage.stars:,} GitHub stars ({usage.stars_as_of:%Y-%m})",
            usage.last_release and f"last release {usage.last_release}",
            usage.health,
        )
        return ", ".join(part for part in known if part) or None


def load_popularity(table: Path = TABLE) -> Popularity:
    """Return the content of a file; raise ``UsageError`` naming what is invalid in it."""
    try:
        popularity = msgspec.toml.decode(table.read_bytes(), type=Popularity)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{table.name} is not a valid table of popularity: {error}.") from error
    for name, usage in popularity.packages.items():
        if usage.stars is not None and (usage.stars_as_of is None or usage.stars_source not in popularity.sources):
            raise UsageError(
                f"{table.name}: the stars of {name} need stars_as_of and a stars_source. "
                f"Accepted: {', '.join(popularity.sources)}."
            )
    return popularity


def as_json(known: Mapping[str, Framework], engine_error: str | None) -> str:
    """Return the inventory as a JSON object; ``engine_error`` says why there is no Docker engine, if there is none."""
    return json.dumps(
        {
            "frameworks": {name: _framework(framework) for name, framework in known.items()},
            "servers": {name: _server(server) for name, server in SERVERS.items()},
            "images": {name: _image(image) for name, image in images().items()},
            "runtimes": _runtimes(engine_error),
            "packages": msgspec.to_builtins(load_popularity().most_used()),
            "sources": msgspec.to_builtins(load_popularity().sources),
        },
        indent=2,
    )


def as_tables(known: Mapping[str, Framework], engine_error: str | None, *, today: date) -> Group:
    """Return the inventory as tables for a terminal, followed by their legend."""
    tables = (_framework_table(known), _server_table(), _image_table(), _runtime_table(engine_error))
    popularity = load_popularity()
    return Group(*tables, package_table(popularity.most_used()), *_LEGENDS, *_sources(popularity, today))


def _framework(framework: Framework) -> dict[str, Any]:
    return {
        "title": framework.title,
        "distribution": framework.distribution,  # null for a floor, which uses no framework
        "version": framework.version,
        "released": _released(framework),
        "locked": framework.lock.exists(),
        "interface": framework.interface,
        "servers": [server.name for server in compatible(framework)],
        "default": framework.default,
        "default_server": DEFAULTS[framework.interface],
        "requires_python": framework.requires_python,
        "unavailable": dict(framework.unavailable),
    }


def _server(server: Server) -> dict[str, Any]:
    return {
        "interfaces": sorted(server.interfaces),
        "requirements": list(server.requirements),
        "loop_requirements": list(server.loop_requirements),
        "keep_alive": server.keep_alive,
        "concurrent": server.concurrent,
        "processes": server.processes,
        "unavailable": dict(server.unavailable),
        "default_for": sorted(interface for interface in Interface if DEFAULTS[interface] == server.name),
    }


def _image(image: Image) -> dict[str, str]:
    return {"reference": image.reference, "base": image.base(DEFAULT_PYTHON, {}), "python": DEFAULT_PYTHON}


def _runtimes(engine_error: str | None) -> dict[str, dict[str, Any]]:
    """Return by runtime whether it is available (``None`` if that was not checked), and why not."""
    return {
        "process": {"available": True, "reason": None},
        "docker": {"available": engine_error is None, "reason": engine_error},
        "fargate": {"available": None, "reason": _NOT_CHECKED},
    }


def _framework_table(known: Mapping[str, Framework]) -> Table:
    rows = (
        (name, framework.title, _version(framework),
         _released(framework) or ("unknown" if framework.distribution else "none"), framework.interface,
         DEFAULTS[framework.interface], "by default" if framework.default else "if named",
         _availability(framework.unavailable, framework.requires_python))
        for name, framework in known.items()
    )  # fmt: skip
    headings = ("title", "version", "released", "interface", "default SERVER", "selected", "available")
    return _table("FRAMEWORK", headings, rows)


def _version(framework: Framework) -> str:
    if framework.distribution is None:
        return "none (a floor)"
    return framework.version or f"not locked; run make lock FRAMEWORK={framework.name}"


def _released(framework: Framework) -> str | None:
    """Return the day of its locked version; ``None`` for a floor and where that is unknown."""
    day = framework.released(framework.version)
    return None if day is None else day.isoformat()


def _server_table() -> Table:
    rows = (
        (name, ", ".join(sorted(server.interfaces)), _packages(server),
         _workers(server),
         "kept open" if server.keep_alive else "closed", "concurrently" if server.concurrent else "one at a time",
         _availability(server.unavailable))
        for name, server in SERVERS.items()
    )  # fmt: skip
    headings = ("interfaces", "packages", "workers", "connection after an answer", "requests of a worker", "available")
    return _table("SERVER", headings, rows)


def _workers(server: Server) -> str:
    if not server.line:
        return "by framework"
    return "one per vCPU" if server.processes else "one"


def _packages(server: Server) -> str:
    suffix = " (asgi and rsgi)" if len(server.interfaces) > 1 else ""
    under_asgi = (f"{requirement}{suffix}" for requirement in server.loop_requirements)
    return ", ".join((*server.requirements, *under_asgi)) or "the framework's own"


def _image_table() -> Table:
    rows = ((name, image.base(DEFAULT_PYTHON, {})) for name, image in images().items())
    return _table("IMAGE", (f"base image for PYTHON={DEFAULT_PYTHON}; used by RUNTIME=docker and fargate",), rows)


def _runtime_table(engine_error: str | None) -> Table:
    words = {True: "yes", False: "no", None: "unknown"}
    rows = (
        (name, ": ".join(filter(None, (words[runtime["available"]], runtime["reason"]))))
        for name, runtime in _runtimes(engine_error).items()
    )
    return _table("RUNTIME", ("available",), rows)


def package_table(packages: Mapping[str, Usage]) -> Table:
    """Return how much packages are used and how they are looked after."""
    rows = (
        (name, _number(usage.downloads), _stars(usage), usage.last_release or "unknown", usage.health or "unknown")
        for name, usage in packages.items()
    )
    return _table("PACKAGE", ("downloads in 30 days", "GitHub stars", "last release", "maintenance"), rows)


def _stars(usage: Usage) -> str:
    return _number(usage.stars) + (f" ({usage.stars_as_of:%Y-%m})" if usage.stars_as_of else "")


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _sources(popularity: Popularity, today: date) -> Iterator[str]:
    """Yield where the numbers about packages come from, and which of them should be renewed."""
    for source in popularity.sources.values():
        yield f"{source.what}: {source.name}, {source.as_of}."
    for source in popularity.outdated(today):
        yield (
            f"{source.what}, {source.as_of}: older than six months. "
            "The first lines of common/catalog/popularity.toml say how to renew it."
        )


def _availability(unavailable: Mapping[str, str], requires_python: str = ANY_PYTHON) -> str:
    """Return where something is available, with the reason for each image, server or runtime on which it is not."""
    places = [f"not on {place}: {reason}" for place, reason in unavailable.items()]
    pythons = [] if requires_python == ANY_PYTHON else [f"on Python {requires_python} only"]
    return "; ".join(pythons + places) or "everywhere"


def _table(name: str, headings: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(name, *headings, box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    table.add_row()
    return table
