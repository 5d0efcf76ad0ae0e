"""Each framework's lock: how it is written, whether it is up to date, and the part of it that one stack needs.

A lock pins a framework together with every server that can serve it, so that all stacks of a framework run the same
versions. An environment or an image installs only the part for its own server.
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

_COMPILE = (
    *("pip", "compile", "-", "--quiet", "--universal", "--fork-strategy=fewest"),
    *("--generate-hashes", "--no-header"),
)


def lock(framework: Framework, *, upgrade: bool = False) -> Path:
    """Write the framework's lock and return its path; locked versions that still fit are kept, unless ``upgrade``.

    Raises ``FailedError`` with the end of uv's output if there is no solution or no package index; the old lock is
    then left as it was. Package indexes that are files of this machine are ignored: a lock contains the hashes of the
    first index that has a package, and the hash of a wheel built here would match nowhere else.
    """
    what, python = f"The lock of {framework.name}", framework.oldest_python
    return compile_lock(requirements(framework), framework.lock, python=python, what=what, upgrade=upgrade)


def compile_lock(roots: Iterable[str], file: Path, *, python: str, what: str, upgrade: bool = False) -> Path:
    """Write the lock of some requirements to ``file`` and return its path.

    ``python`` is the oldest version that it has to fit, ``what`` the subject of the error message.
    """
    options = (f"--python-version={python}", f"--output-file={file}", *(("--upgrade",) if upgrade else ()))
    run_uv(*_COMPILE, *options, stdin="\n".join(roots), what=what, local=False)
    return file


def requirements(framework: Framework) -> tuple[str, ...]:
    """Return the input of the framework's lock: its dependencies and the packages of the servers that it is for."""
    pins = framework.server_pins
    if pins is None:
        pins = tuple(pin for server in compatible(framework) for pin in server.needs(framework.interface))
    return tuple(dict.fromkeys((*framework.dependencies, *pins)))


def why_stale(framework: Framework) -> str | None:
    """Return why the lock does not match the framework's dependencies and the servers; ``None`` if it does."""
    if not framework.lock.exists():
        return _stale(framework, "is missing")
    text = framework.lock.read_text()
    required = {canonicalize_name(Requirement(line).name): Requirement(line) for line in requirements(framework)}
    for name, requirement in required.items():
        if (mismatch := _mismatch(text, name, requirement)) is not None:
            return _stale(framework, mismatch)
    if surplus := {name for name, dependents in _dependents(text).items() if not dependents} - set(required):
        return _stale(framework, f"contains {min(surplus)}, which nothing requires")
    return None


def _mismatch(lock_text: str, name: str, requirement: Requirement) -> str | None:
    if requirement.url is not None:
        return None if f"{name} @ {requirement.url} " in lock_text else f"lacks {name} from {requirement.url}"
    version = locked_version(lock_text, name)
    if version is None:
        return f"lacks {name}, but {requirement} is required"
    if not requirement.specifier.contains(version, prereleases=True):
        return f"contains {name} {version}, but {requirement} is required"
    return None


def stack_requirements(stack: Stack) -> str:
    """Return the part of the framework's lock that this stack needs; raise ``UsageError`` if the lock is stale."""
    if (reason := why_stale(stack.framework)) is not None:
        raise UsageError(reason)
    roots = (*stack.framework.dependencies, *stack.server.needs(stack.framework.interface))
    return subset(stack.framework.lock.read_text(), roots)


def subset(lock_text: str, roots: Iterable[str]) -> str:
    """Return the blocks of a lock, with hashes, for the requirements ``roots`` and all their dependencies.

    The result installs with ``--require-hashes --no-deps``. Dependencies are read from the ``# via`` comments that uv
    writes, so no package index is needed.
    """
    dependents = _dependents(lock_text)
    required: set[str] = {canonicalize_name(Requirement(root).name) for root in roots}
    if missing := required - set(dependents):
        raise UsageError(f"{min(missing)} is not in the lock. Run make lock.")
    while added := {name for name, needed_by in dependents.items() if needed_by & required} - required:
        required |= added
    return "".join(block for block in _blocks(lock_text) if _name(block) in required)


def without_package(lock_text: str, package: str) -> str:
    """Return a lock's text without the block of ``package``; its dependencies stay."""
    return "".join(block for block in _blocks(lock_text) if _name(block) != canonicalize_name(package))


def _stale(framework: Framework, reason: str) -> str:
    return f"{framework.lock.name} of {framework.name} {reason}. Run make lock FRAMEWORK={framework.name}."


def _blocks(lock_text: str) -> list[str]:
    return re.findall(r"^[^\s#].*\n(?:[ \t].*\n)*", lock_text, re.MULTILINE)


def _name(block: str) -> str:
    return canonicalize_name(re.split(r"[=\s;\[]", block, maxsplit=1)[0])


def _dependents(lock_text: str) -> dict[str, set[str]]:
    """Return the packages that require each package; an empty set for one that was only required directly."""
    dependents: dict[str, set[str]] = {}
    for block in _blocks(lock_text):
        comments = " ".join(re.findall(r"^ +#(.*)$", block, re.MULTILINE))
        dependents.setdefault(_name(block), set()).update(comments.split()[1:])  # the first word is "via"
    return dependents
