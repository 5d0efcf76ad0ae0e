"""Sizes of installed libraries: each package of an environment, alone and with its dependencies, by its RECORD."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common.catalog.frameworks import Framework
from common.catalog.stacks import Stack
from common.errors import FailedError
from common.packages.environments import environment
from common.records.experiments.footprint import Library, LibraryKind, LibraryPackage


def libraries(stack: Stack) -> Iterator[Library]:
    """Yield the sizes of a stack's framework and server; create its environment if needed.

    Floors and native servers, which have no packages of their own, are left out.
    """
    installed, framework = InstalledPackages(environment(stack)), stack.framework
    if framework.dependencies:
        yield _framework(framework, installed)
    if requirements := stack.server.needs(framework.interface):
        yield _library(LibraryKind.SERVER, stack.server.name, framework, installed, requirements)


class InstalledPackages:
    """The packages of a virtual environment."""

    def __init__(self, folder: Path) -> None:
        paths = [str(path) for path in folder.glob("lib/python*/site-packages")]
        self._distributions = {canonicalize_name(each.name): each for each in distributions(path=paths)}

    def package(self, name: str) -> LibraryPackage:
        """Return the size of one package: the files that its RECORD lists, and separately their bytecode."""
        distribution = self._distribution(name)
        files = [Path(str(file.locate())) for file in distribution.files or ()]
        sources = [file for file in files if file.suffix != ".pyc" and file.is_file()]
        bytecode = {code for file in sources if file.suffix == ".py" for code in _bytecode_files(file)}
        return LibraryPackage(
            name=canonicalize_name(name),
            version=distribution.version,
            files_bytes=sum(file.stat().st_size for file in sources),
            bytecode_bytes=sum(file.stat().st_size for file in bytecode),
        )

    def closure(self, roots: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the packages that ``roots`` (requirements) name and of all their dependencies, sorted."""
        visited: set[tuple[str, str]] = set()
        pending = [pair for root in roots for pair in _with_extras(Requirement(root))]
        while pending:
            name, extra = pair = pending.pop()
            if pair not in visited:
                visited.add(pair)
                pending += self._dependencies(name, extra)
        return tuple(sorted({name for name, _ in visited}))

    def _dependencies(self, name: str, extra: str) -> Iterator[tuple[str, str]]:
        for line in self._distribution(name).requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                yield from _with_extras(requirement)

    def _distribution(self, name: str) -> Distribution:
        if (distribution := self._distributions.get(canonicalize_name(name))) is None:
            raise FailedError(f"{name} is required but not installed in the environment. Run make lock.")
        return distribution


def _framework(framework: Framework, installed: InstalledPackages) -> Library:
    roots = framework.dependencies
    own_first = sorted(roots, key=lambda root: canonicalize_name(Requirement(root).name) != framework.distribution)
    return _library(LibraryKind.FRAMEWORK, framework.name, framework, installed, own_first)


def _library(
    kind: LibraryKind, name: str, framework: Framework, installed: InstalledPackages, roots: Sequence[str]
) -> Library:
    """Return the sizes of the package that the first of ``roots`` names and of all that ``roots`` require."""
    own = canonicalize_name(Requirement(roots[0]).name)
    packages = [installed.package(package) for package in installed.closure(roots)]
    return Library(
        kind=kind,
        name=name,
        interface=framework.interface,
        package=own,
        packages=packages,
        alone_bytes=sum(package.size_bytes for package in packages if package.name == own),
        total_bytes=sum(package.size_bytes for package in packages),
    )


def _with_extras(requirement: Requirement) -> list[tuple[str, str]]:
    """Return the requirement's package paired with no extra, and with each extra that it names."""
    return [(canonicalize_name(requirement.name), extra) for extra in ("", *sorted(requirement.extras))]


def _bytecode_files(source: Path) -> Iterator[Path]:
    return source.parent.joinpath("__pycache__").glob(f"{source.stem}.*.pyc")
