"""The build context of a stack: a folder with exactly what the image needs, the same bytes for the same stack."""

import shlex
import shutil
from pathlib import Path

from common.catalog import servers
from common.catalog.frameworks import LOCK, RELEASED
from common.catalog.stacks import Stack
from common.packages.locks import stack_requirements
from common.project import ROOT

PORT = 8000
"""The port on which an image's server listens unless its environment sets ``PORT``."""

_EXCLUDED = shutil.ignore_patterns(".*", "__pycache__", "*.pyc", "pyproject.toml", LOCK, RELEASED)
_COPIED = ("Dockerfile", "healthcheck.py")
"""The files of ``docker/`` that are part of a context."""


def write_context(stack: Stack, folder: Path, *, root: Path = ROOT) -> None:
    """Write the Dockerfile, the stack's pinned requirements, its app and the contract into an empty ``folder``."""
    app = folder / "app"
    shutil.copytree(stack.framework.folder, app, ignore=_EXCLUDED)
    shutil.copytree(root / "common" / "contract", app / "common" / "contract", ignore=_EXCLUDED)
    shutil.copy(root / "common" / "__init__.py", app / "common")
    (app / "start").write_text(start_script(stack))
    (folder / "requirements.txt").write_text(stack_requirements(stack))
    for name in _COPIED:
        shutil.copy(root / "docker" / name, folder)
    _normalize_modes(folder)
    (app / "start").chmod(0o755)


def sources(stack: Stack, *, root: Path = ROOT) -> tuple[Path, ...]:
    """Return the files and folders of this project that decide what is in an image of the stack."""
    common = root / "common"
    copied = (common / "contract", common / "__init__.py", *(root / "docker" / name for name in _COPIED))
    return stack.framework.folder, *copied, common / "catalog" / "servers.py", common / "engine" / "build_context.py"


def start_script(stack: Stack) -> str:
    """Return a shell script that becomes the stack's server, on ``$PORT`` with ``$WORKERS`` workers."""
    line = servers.command(stack.framework, stack.server, host="0.0.0.0", port="@PORT@", workers="@WORKERS@")  # noqa: S104 -- a container's own
    # The placeholders pass through the quoting as they are, and only then become variables that the shell expands.
    quoted = shlex.join(line).replace("@PORT@", '"$PORT"').replace("@WORKERS@", '"$WORKERS"')
    return f"#!/bin/sh\nexec {quoted}\n"


def _normalize_modes(folder: Path) -> None:
    """Give every file the same mode whatever the umask, because modes are part of a layer's cache key."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
