"""Each framework's lock: how it is written, whether it is up to date, and the part of it that one stack needs.

A lock pins a framework together with every server that can serve it, so that all stacks of a framework run the same
versions. An environment or an image installs only the part for its own server.
"""

import re
import shutil
import threading
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common.catalog.frameworks import LOCK, ORDERS_LOCK, Framework, locked_version
from common.catalog.stacks import Stack, compatible
from common.errors import FailedError, UsageError
from common.host.folders import temporary_folder, write_files
from common.packages.indexes import run_uv

_COMPILE = (
    *("pip", "compile", "-", "--quiet", "--universal", "--fork-strategy=fewest"),
    *("--generate-hashes", "--no-header"),
)

_ONE_AT_A_TIME = threading.Lock()
"""Held while a stale lock is brought up to date, since images are built in parallel."""


def lock(framework: Framework, *, upgrade: bool = False) -> Path:
    """Write the framework's lock and return its path; locked versions that still fit are kept, unless ``upgrade``.

    Raises ``FailedError`` with the end of uv's output if there is no solution or no package index, and ``UsageError``
    if the file cannot be written; the old lock is then left as it was. Package indexes that are files of this machine
    are ignored: a lock contains the hashes of the first index that has a package, and the hash of a wheel built here
    would match nowhere else.
    """
    with temporary_folder("lock") as folder:
        draft = folder / LOCK
        if framework.lock.exists():
            shutil.copy(framework.lock, draft)
        text = _compiled(framework, requirements(framework), draft, upgrade=upgrade)
        contents = {framework.lock: text}
        if framework.drivers:  # the other apps keep their packages as they are
            draft = folder / ORDERS_LOCK
            draft.write_text(text if upgrade else text + _added(framework, text))
            roots = (*requirements(framework), *framework.drivers)
            contents[framework.orders_lock] = _compiled(framework, roots, draft)
    write_files(contents)
    return framework.lock


def _compiled(framework: Framework, roots: Iterable[str], draft: Path, *, upgrade: bool = False) -> str:
    """Return the text of the framework's lock for these requirements, keeping the draft's versions where they fit."""
    what, python = f"The lock of {framework.name}", framework.oldest_python
    text = compile_lock(roots, draft, python=python, what=what, upgrade=upgrade).read_text()
    for package in framework.pure_python:
        (release,) = index_entries([f"{package}=={locked_version(text, package)}"], python=python, what=what)
        text = with_hashes(text, package, _pure_hashes(release))
    return text


def _added(framework: Framework, text: str) -> str:
    """Return the packages that the present lock with the drivers has and the other lock has not."""
    present = framework.orders_lock.read_text() if framework.orders_lock.exists() else ""
    names = {_name(block) for block in _blocks(text)}
    return "".join(block for block in _blocks(present) if _name(block) not in names)


def compile_lock(roots: Iterable[str], file: Path, *, python: str, what: str, upgrade: bool = False) -> Path:
    """Write the lock of some requirements to ``file`` and return its path.

    ``python`` is the oldest version that it has to fit, ``what`` the subject of the error message.
    """
    options = (f"--python-version={python}", f"--output-file={file}", *(("--upgrade",) if upgrade else ()))
    run_uv(*_COMPILE, *options, stdin="\n".join(roots), what=what, local=False)
    return file


def index_entries(pinned: Iterable[str], *, python: str, what: str) -> list[dict[str, Any]]:
    """Return the package index's entry for each pin, such as ``flask==3.1.3``: ``packages`` of a ``pylock.toml``.

    ``python`` and ``what`` are those of ``compile_lock``. Source: PEP 751.
    """
    with temporary_folder("index-entries") as folder:
        file = folder / "pylock.toml"
        options = ("--quiet", "--universal", "--no-deps", "--format=pylock.toml", f"--python-version={python}")
        line = ("pip", "compile", "-", *options, f"--output-file={file}")
        run_uv(*line, stdin="\n".join(pinned), what=what, local=False)
        entries: list[dict[str, Any]] = tomllib.loads(file.read_text()).get("packages", [])
        return entries


def _pure_hashes(entry: dict[str, Any]) -> list[str]:
    """Return the hashes of a release's wheels that any platform can install (PEP 425)."""
    wheels = [wheel for wheel in entry.get("wheels", ()) if wheel["url"].endswith("-none-any.whl")]
    if not wheels:
        raise FailedError(f"{entry['name']} {entry['version']} has no wheel without compiled code.")
    return [wheel["hashes"]["sha256"] for wheel in wheels]


def requirements(framework: Framework) -> tuple[str, ...]:
    """Return the input of the framework's lock: its dependencies and the packages of the servers that it is for."""
    pins = framework.server_pins
    if pins is None:
        pins = tuple(pin for server in compatible(framework) for pin in server.needs(framework.interface))
    return tuple(dict.fromkeys((*framework.dependencies, *pins)))


def why_stale(framework: Framework) -> str | None:
    """Return why the lock does not match the framework's dependencies and the servers; ``None`` if it does."""
    try:
        text = read_lock(framework)
    except UsageError as error:
        return str(error)
    required = {canonicalize_name(Requirement(line).name): Requirement(line) for line in requirements(framework)}
    for name, requirement in required.items():
        if (mismatch := _mismatch(text, name, requirement)) is not None:
            return _stale(framework, mismatch)
    if surplus := {name for name, dependents in _dependents(text).items() if not dependents} - set(required):
        return _stale(framework, f"contains {min(surplus)}, which nothing requires")
    return _why_drivers_are_stale(framework, text)


def _why_drivers_are_stale(framework: Framework, lock_text: str) -> str | None:
    """Return why the lock with the drivers does not match them and the framework's lock; ``None`` if it does."""
    if not framework.drivers:
        return None
    file = framework.orders_lock
    text = file.read_text() if file.exists() else ""
    for requirement in map(Requirement, framework.drivers):
        if (mismatch := _mismatch(text, canonicalize_name(requirement.name), requirement)) is not None:
            return _stale(framework, mismatch, file)
    pins = {line.partition(" \\")[0] for line in lock_text.splitlines() if line[:1].isalnum()}
    if missing := pins - {line.partition(" \\")[0] for line in text.splitlines()}:
        return _stale(framework, f"lacks {min(missing)}", file)
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


def read_lock(framework: Framework) -> str:
    """Return the text of the framework's lock; ``UsageError`` with the command that writes it if there is none."""
    if not framework.lock.exists():
        raise UsageError(_stale(framework, "is missing"))
    return framework.lock.read_text()


def stack_requirements(stack: Stack) -> str:
    """Return the part of the framework's lock that this stack needs; raise ``UsageError`` if the lock is stale.

    A stale lock in a folder of the user's own is brought up to date instead.
    """
    with _ONE_AT_A_TIME:
        if (reason := why_stale(stack.framework)) is not None:
            if stack.framework.own_folder is None:
                raise UsageError(reason)
            lock(stack.framework)
    roots = (*stack.framework.dependencies, *stack.server.needs(stack.framework.interface))
    if stack.drivers:
        return subset(stack.framework.orders_lock.read_text(), (*roots, *stack.framework.drivers))
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


def with_hashes(lock_text: str, package: str, sha256: Sequence[str]) -> str:
    """Return a lock's text in which these are the only hashes of ``package``."""
    hashes = "".join(f" \\\n    --hash=sha256:{digest}" for digest in sha256)
    return "".join(
        re.sub(r"(?: \\\n +--hash=\S+)+", lambda _: hashes, block)
        if _name(block) == canonicalize_name(package)
        else block
        for block in _blocks(lock_text)
    )


def without_package(lock_text: str, package: str) -> str:
    """Return a lock's text without the block of ``package``; its dependencies stay."""
    return "".join(block for block in _blocks(lock_text) if _name(block) != canonicalize_name(package))


def _stale(framework: Framework, reason: str, file: Path | None = None) -> str:
    return f"{(file or framework.lock).name} of {framework.name} {reason}. Run make lock FRAMEWORK={framework.name}."


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
