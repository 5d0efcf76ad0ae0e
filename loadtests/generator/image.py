"""The image that masters and workers run in: the harness and its locked packages on a base image."""

import shutil
import subprocess
from pathlib import Path

from rich.console import Console

from common.catalog.images import GENERATOR, images
from common.engine.client import build_client, build_environment
from common.errors import FailedError
from common.host.folders import temporary_folder
from common.packages.indexes import proxy_arguments, secret_arguments
from common.project import ROOT
from common.words import last_lines

_FOLDERS = ("common", "loadtests", "docker")
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.pyc", "results", "published")


def build_generator(python: str, console: Console, tag: str = GENERATOR) -> str:
    """Build the image on the slim base and return its name; ``FailedError`` with the end of the log if that fails."""
    client, base = build_client(), images()["slim"].base(python)
    console.print(f"building {tag} on {base}")
    with temporary_folder("generator") as folder:
        write_context(folder / "context")
        line = [client, "build", "--progress=plain", f"--tag={tag}", f"--build-arg=BASE={base}"]
        line += [*proxy_arguments(), *secret_arguments(folder), str(folder / "context")]
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=build_environment(), check=False
        )
    if done.returncode:
        raise FailedError(f"{tag} was not built: {last_lines(done.stderr, 5)}")
    return tag


def write_context(folder: Path, *, root: Path = ROOT) -> None:
    """Fill ``folder`` with what the image needs: the harness, its lock, its Dockerfile."""
    for name in _FOLDERS:
        shutil.copytree(root / name, folder / name, ignore=_LEFT_OUT)
    shutil.copy(root / "requirements.lock", folder)
    shutil.copy(root / "docker" / "generator.Dockerfile", folder / "Dockerfile")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # one mode, whatever the umask: layers are keyed by it
