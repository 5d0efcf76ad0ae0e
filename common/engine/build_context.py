"""What a build sees: a folder with nothing but what the image needs, the same bytes for the same stack."""

import shlex
import shutil
from pathlib import Path

from common.catalog import servers
from common.catalog.frameworks import LOCK
from common.catalog.stacks import Stack
from common.packages.locks import stack_requirements
from common.project import ROOT

PORT = 8000
"""The port that an image's server listens on, unless ``PORT`` says otherwise."""

_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.pyc", "pyproject.toml", LOCK)


def write_context(stack: Stack, folder: Path, *, root: Path = ROOT) -> None:
    """Fill an empty ``folder``: the Dockerfile, the stack's pinned requirements, its app beside the contract."""
    app = folder / "app"
    shutil.copytree(stack.framework.folder, app, ignore=_LEFT_OUT)
    shutil.copytree(root / "common" / "contract", app / "common" / "contract", ignore=_LEFT_OUT)
    shutil.copy(root / "common" / "__init__.py", app / "common")
    (app / "start").write_text(start_script(stack))
    (folder / "requirements.txt").write_text(stack_requirements(stack))
    for name in ("Dockerfile", "healthcheck.py"):
        shutil.copy(root / "docker" / name, folder)
    _settle(folder)
    (app / "start").chmod(0o755)


def start_script(stack: Stack) -> str:
    """A shell script that becomes the stack's server, on ``$PORT`` with ``$WORKERS`` workers."""
    line = servers.command(stack.framework, stack.server, host="0.0.0.0", port="@PORT@", workers="@WORKERS@")  # noqa: S104 -- a container's own
    quoted = shlex.join(line).replace("@PORT@", '"$PORT"').replace("@WORKERS@", '"$WORKERS"')
    return f"#!/bin/sh\nexec {quoted}\n"


def _settle(folder: Path) -> None:
    """Give every file one mode, whatever the umask here: modes are part of what a layer's cache is keyed by."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
