"""The build context of a stack: a folder with exactly what the image needs, the same bytes for the same stack."""

import re
import shlex
import shutil
import stat
from pathlib import Path
from urllib.parse import quote

from common.catalog import servers
from common.catalog.frameworks import LOCK, ORDERS_LOCK, RELEASED
from common.catalog.stacks import Stack
from common.packages.copies import copy_folder
from common.packages.locks import stack_requirements
from common.packages.wheels import wheel_at
from common.project import ROOT

PORT = 8000
"""The port on which an image's server listens unless its environment sets ``PORT``."""

_COPIED = ("Dockerfile", "healthcheck.py")
"""The files of ``docker/`` that are part of a context."""
_PACKAGES = "/packages"
"""Where the Dockerfile puts the requirements and the wheels beside them, in a stage that no image is made of."""
_FOR_EVERYBODY, _FOR_ALL_TO_RUN = 0o644, 0o755


def write_context(stack: Stack, folder: Path, *, root: Path = ROOT) -> None:
    """Write the Dockerfile, the stack's pinned requirements, its app and the contract into an empty ``folder``.

    Raise ``UsageError`` as ``copy_folder``.
    """
    app = folder / "app"
    copy_folder(stack.framework.folder, app, "pyproject.toml", LOCK, ORDERS_LOCK, RELEASED)
    copy_folder(root / "common" / "contract", app / "common" / "contract")
    shutil.copy(root / "common" / "__init__.py", app / "common")
    (app / "start").write_text(start_script(stack))
    (folder / "requirements.txt").write_text(_with_wheels(stack_requirements(stack), folder))
    for name in _COPIED:
        shutil.copy(root / "docker" / name, folder)
    _normalize_modes(folder)
    (app / "start").chmod(_FOR_ALL_TO_RUN)


def _with_wheels(requirements: str, folder: Path) -> str:
    """Copy the wheels of this machine that requirements name into ``folder``; return them with their place there."""

    def placed(match: re.Match[str]) -> str:
        wheel = wheel_at(match[0])
        shutil.copy(wheel, folder)
        return f"file://{_PACKAGES}/{quote(wheel.name)}"

    return re.sub(r"(?<= @ )file://\S+", placed, requirements)


def sources(stack: Stack, *, root: Path = ROOT) -> tuple[Path, ...]:
    """Return the files and folders of this project that decide what is in an image of the stack."""
    common = root / "common"
    copied = (common / "contract", common / "__init__.py", *(root / "docker" / name for name in _COPIED))
    code = ("catalog/servers.py", "engine/build_context.py", "packages/copies.py")
    return stack.framework.folder, *copied, *(common / name for name in code)


def start_script(stack: Stack) -> str:
    """Return a shell script that becomes the stack's server, on ``$HOST`` and ``$PORT`` with ``$WORKERS`` workers.

    Its argument, if it is given one, is the module to load instead of the usual one.
    """
    line = servers.command(
        stack.framework, stack.server, host="@HOST@", port="@PORT@", workers="@WORKERS@", module="@MODULE@"
    )
    usual = stack.framework.target.partition(":")[0]
    # The placeholders pass through the quoting as they are, and only then become variables that the shell expands.
    quoted = re.sub(r"@(HOST|PORT|WORKERS)@", r'"$\1"', shlex.join(line)).replace("@MODULE@", f'"${{1-{usual}}}"')
    return f"#!/bin/sh\nexec {quoted}\n"


def _normalize_modes(folder: Path) -> None:
    """Give files modes that do not depend on the umask, because modes are part of a layer's cache key.

    As in Git, a file keeps whether it can be run.
    """
    for path in folder.rglob("*"):
        if not path.is_symlink():
            runnable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(_FOR_ALL_TO_RUN if runnable else _FOR_EVERYBODY)
