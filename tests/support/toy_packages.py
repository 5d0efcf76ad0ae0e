"""Wheels and frameworks made on the spot, so that tests of locks and environments reach no package index."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from common.catalog.frameworks import Framework
from common.catalog.servers import SERVERS
from common.catalog.stacks import Stack

BACKEND = """\
import pathlib, shutil, tarfile
def build_wheel(folder, settings=None, metadata=None):
    shutil.copy("{wheel}", folder)
    return "{wheel}"
def build_sdist(folder, settings=None):
    with tarfile.open(pathlib.Path(folder) / "{sdist}.tar.gz", "w:gz") as archive:
        for name in ("pyproject.toml", "backend.py", "{wheel}"):
            archive.add(name, "{sdist}/" + name)
    return "{sdist}.tar.gz"
"""


def write_wheel(folder: Path, name: str, version: str, *needs: str, code: str = "") -> Path:
    """A wheel of one module that holds its version and ``code``, and of a program that prints its version."""
    info = f"{name}-{version}.dist-info"
    metadata = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
        *(f"Requires-Dist: {need}" for need in needs),
    ]
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.py", f"version = {version!r}\ndef main(): print(version)\n{code}")
        archive.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name}={name}:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def write_checkout(folder: Path, name: str, version: str, *needs: str, code: str = "") -> Path:
    """A checkout of a package whose backend, which is in it, needs no other packages."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = write_wheel(folder, name, version, *needs, code=code)
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{name.title()}"\nversion = "{version}"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (folder / "backend.py").write_text(BACKEND.format(wheel=wheel.name, sdist=f"{name}-{version}"))
    return folder


def write_source(folder: Path, name: str, version: str) -> Path:
    """The source of a package, from which it has to be made where it is installed."""
    checkout = write_checkout(folder.parent / name, name, version)
    source = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        archive.add(checkout, f"{name}-{version}")
    return source


def only_wheels(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder in which uv finds packages, and nowhere else, with a cache of its own beside it."""
    wheels = place / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_CACHE_DIR", str(place / "uv"))
    return wheels


def write_framework(folder: Path, *dependencies: str) -> Framework:
    """A framework with a server of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    needs = ", ".join(f'"{one}"' for one in dependencies)
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "stack-toy"\ndependencies = [{needs}]\n'
        '[tool.stack]\ntitle = "Toy"\ninterface = "native"\ndistribution = "toy"\ncommand = "toy {host} {port}"\n'
    )
    return Framework.load(folder)


def native(framework: Framework) -> Stack:
    """The framework on its own server."""
    return Stack(framework=framework, server=SERVERS["native"])
