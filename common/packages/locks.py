"""Each framework's lock: what ``make lock`` writes, whether it is up to date, and the part of it that one stack needs.

A lock pins a framework together with every server that can serve it, so that all its stacks run one version; an
environment or an image takes only the part for its own server.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common.catalog.frameworks import Framework, locked_version
from common.catalog.stacks import Stack, compatible
from common.errors import UsageError
from common.packages.uv import run_uv

OLDEST_PYTHON = "3.11"

_COMPILE = (
    *("pip", "compile", "-", "--quiet", "--universal", "--fork-strategy=fewest", f"--python-version={OLDEST_PYTHON}"),
    *("--generate-hashes", "--no-header"),
)


def lock(framework: Framework, *, upgrade: bool = False) -> Path:
    """The framework's lock, written anew; versions it holds already are kept if they still fit, unless ``upgrade``.

    Raises ``FailedError`` with the end of uv's output where there is no solution, or no package index; the old lock
    stays then. Package indexes that are files of this machine have no say: a lock holds the hashes of the index that
    uv meets first, and those of a file built here alone would be accepted nowhere else.
    """
    options = (f"--output-file={framework.lock}", *(("--upgrade",) if upgrade else ()))
    given = "\n".join(requirements(framework))
    run_uv(*_COMPILE, *options, given=given, what=f"The lock of {framework.name}", local=False)
    return framework.lock


def requirements(framework: Framework) -> tuple[str, ...]:
    """All that the framework's lock is made from: its dependencies and the needs of every server that can serve it."""
    servers = (needed for server in compatible(framework) for needed in server.needs(framework.interface))
    return tuple(dict.fromkeys((*framework.dependencies, *servers)))


def why_stale(framework: Framework) -> str | None:
    """Why the lock does not fit the framework's folder and the servers, or ``None`` where it does."""
    if not framework.lock.exists():
        return _reason(framework, "is missing")
    text = framework.lock.read_text()
    wanted = {canonicalize_name(Requirement(needed).name): needed for needed in requirements(framework)}
    for name, needed in wanted.items():
        if (address := Requirement(needed).url) is not None:
            if f"{name} @ {address} " not in text:
                return _reason(framework, f"does not hold {name} from {address}")
            continue
        version = locked_version(text, name)
        if version is None or not Requirement(needed).specifier.contains(version, prereleases=True):
            return _reason(framework, f"holds {name} {version or 'not at all'} where {needed} is asked for")
    if surplus := {name for name, needed_by in _parents(text).items() if not needed_by} - set(wanted):
        return _reason(framework, f"holds {min(surplus)}, which nothing asks for")
    return None


def stack_requirements(stack: Stack) -> str:
    """The part of the framework's lock that this stack needs; ``UsageError`` where the lock is stale."""
    if (reason := why_stale(stack.framework)) is not None:
        raise UsageError(reason)
    roots = (*stack.framework.dependencies, *stack.server.needs(stack.framework.interface))
    return subset(stack.framework.lock.read_text(), roots)


def subset(lock_text: str, roots: Iterable[str]) -> str:
    """The locked blocks, hashes included, of the requirements ``roots`` and of all that these need in turn.

    Who needs whom is read from the ``# via`` comments; the result installs with ``--require-hashes --no-deps``.
    """
    parents = _parents(lock_text)
    wanted: set[str] = {canonicalize_name(Requirement(root).name) for root in roots}
    if missing := wanted - set(parents):
        raise UsageError(f"{min(missing)} is not in the lock. Run make lock.")
    while more := {name for name, needed_by in parents.items() if needed_by & wanted} - wanted:
        wanted |= more
    return "".join(block for block in _blocks(lock_text) if _name(block) in wanted)


def without(lock_text: str, package: str) -> str:
    """The lock without what it holds of ``package`` itself."""
    return "".join(block for block in _blocks(lock_text) if _name(block) != canonicalize_name(package))


def _reason(framework: Framework, what: str) -> str:
    return f"{framework.lock.name} of {framework.name} {what}. Run make lock FRAMEWORK={framework.name}."


def _blocks(lock_text: str) -> list[str]:
    return re.findall(r"^[^\s#].*\n(?:[ \t].*\n)*", lock_text, re.MULTILINE)


def _name(block: str) -> str:
    return canonicalize_name(re.split(r"[=\s;\[]", block, maxsplit=1)[0])


def _parents(lock_text: str) -> dict[str, set[str]]:
    """By package, the packages that need it; nobody where it was only asked for directly."""
    parents: dict[str, set[str]] = {}
    for block in _blocks(lock_text):
        comments = " ".join(re.findall(r"^ +#(.*)$", block, re.MULTILINE))
        parents.setdefault(_name(block), set()).update(comments.split()[1:])  # the first word is "via"
    return parents
