"""What libraries take on disk: each package of an environment, alone and with what it needs, by its RECORD."""

from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common.catalog.frameworks import Framework
from common.errors import FailedError
from common.packages.environments import environment
from common.records.footprint import Library, LibraryKind, LibraryPackage
from common.runtimes.candidates import Candidate


def libraries(candidates: Iterable[Candidate]) -> Iterator[Library]:
    """A framework's and its server's libraries in each candidate's environment, which is made if it is not there.

    Frameworks that have none, and servers that come with their framework, are left out.
    """
    for candidate in candidates:
        stack = candidate.stack
        installed = Installed(environment(stack))
        framework = stack.framework
        if framework.dependencies:
            yield _framework(framework, installed)
        if needed := stack.server.needs(framework.interface):
            yield _library(LibraryKind.SERVER, stack.server.name, framework, installed, needed)


class Installed:
    """The packages of an environment."""

    def __init__(self, folder: Path) -> None:
        paths = [str(path) for path in folder.glob("lib/python*/site-packages")]
        self._found = {canonicalize_name(one.name): one for one in distributions(path=paths)}

    def package(self, name: str) -> LibraryPackage:
        """What one package takes: the files that its RECORD lists, and apart from them their bytecode."""
        found = self._of(name)
        files = [Path(str(file.locate())) for file in found.files or ()]
        sources = [file for file in files if file.suffix != ".pyc" and file.is_file()]
        bytecode = {code for file in sources if file.suffix == ".py" for code in _bytecode(file)}
        return LibraryPackage(
            name=canonicalize_name(name),
            version=found.version,
            files_bytes=sum(file.stat().st_size for file in sources),
            bytecode_bytes=sum(file.stat().st_size for file in bytecode),
        )

    def needs(self, roots: Iterable[str]) -> tuple[str, ...]:
        """The names of the packages that ``roots`` (requirements) name, and of all that these need, sorted."""
        seen: set[tuple[str, str]] = set()
        waiting = [pair for root in roots for pair in _pairs(Requirement(root))]
        while waiting:
            name, extra = pair = waiting.pop()
            if pair not in seen:
                seen.add(pair)
                waiting += self._required(name, extra)
        return tuple(sorted({name for name, _ in seen}))

    def _required(self, name: str, extra: str) -> Iterator[tuple[str, str]]:
        for line in self._of(name).requires or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                yield from _pairs(needed)

    def _of(self, name: str) -> Distribution:
        if (found := self._found.get(canonicalize_name(name))) is None:
            raise FailedError(f"{name} is not installed where it is needed. Run make lock.")
        return found


def _framework(framework: Framework, installed: Installed) -> Library:
    roots = framework.dependencies
    first = sorted(roots, key=lambda one: canonicalize_name(Requirement(one).name) != framework.distribution)
    return _library(LibraryKind.FRAMEWORK, framework.name, framework, installed, first)


def _library(kind: LibraryKind, name: str, framework: Framework, installed: Installed, roots: Iterable[str]) -> Library:
    first, *_ = roots
    package = canonicalize_name(Requirement(first).name)
    found = [installed.package(one) for one in installed.needs(roots)]
    return Library(
        kind=kind,
        name=name,
        interface=framework.interface,
        package=package,
        packages=found,
        alone_bytes=sum(one.size_bytes for one in found if one.name == package),
        total_bytes=sum(one.size_bytes for one in found),
    )


def _pairs(needed: Requirement) -> list[tuple[str, str]]:
    """A requirement as its package with no extra, and with each that it asks for."""
    return [(canonicalize_name(needed.name), extra) for extra in ("", *sorted(needed.extras))]


def _bytecode(source: Path) -> Iterator[Path]:
    return source.parent.joinpath("__pycache__").glob(f"{source.stem}.*.pyc")
