"""The notes of a comparison beside those of a load test: what was compared, and what else differs. Pure."""

from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common.catalog.frameworks import frameworks
from common.records.run import Cell, CompareRun, Origin

NOT_INSTALLED = "none"


def notes(run: CompareRun) -> Iterator[str]:
    """Yield what each side was built from, and what else differs between their environments."""
    for side, origin in zip(run.sides, run.origins, strict=False):  # old records have no origins
        yield from _built_from(side, origin)
    match run.cells:
        case [a, b] if a.packages and b.packages:
            yield _differences(a, b)


def _built_from(side: str, origin: Origin) -> Iterator[str]:
    if origin.commit is not None:
        yield f"{side} is commit {origin.commit}{', with changes that are not committed' if origin.dirty else ''}."
    if origin.wheel is not None:
        yield f"{side} is installed from {origin.wheel}, {'compiled' if origin.compiled else 'pure Python'}."


def _differences(a: Cell, b: Cell) -> str:
    """Return how two environments differ apart from the packages under test.

    Different frameworks are compared by the packages that both have, since most others belong to one of them.
    """
    tested, alike = _under_test(a, b), a.title == b.title
    names = a.packages.keys() | b.packages.keys() if alike else a.packages.keys() & b.packages.keys()
    found = [_difference(name, a.packages.get(name), b.packages.get(name)) for name in sorted(names - tested)]
    differing = [*filter(None, found), *filter(None, [_difference("python", a.python, b.python)])]
    apart = f"apart from {', '.join(sorted(tested))}, " if tested else ""
    if differing:
        return f"environments: {apart}the sides differ in {', '.join(differing)}."
    return f"environments: {apart}the sides have the same {'' if alike else 'versions of shared '}packages."


def _difference(name: str, a: str | None, b: str | None) -> str:
    """Return two versions of a package beside each other; empty if they are the same."""
    first, second = (NOT_INSTALLED if version is None else f"{name}=={version}" for version in (a, b))
    return "" if a == b else f"{first} | {second}"


def _under_test(a: Cell, b: Cell) -> frozenset[str]:
    """Return the packages that are compared: of the frameworks, and of the servers unless both have the same."""
    titles = {a.title, b.title}
    own = {known.package for known in frameworks().values() if known.title in titles and known.package}
    servers = [] if a.server == b.server else [*a.server_packages, *b.server_packages]
    return frozenset(own | {canonicalize_name(Requirement(pin).name) for pin in servers})
