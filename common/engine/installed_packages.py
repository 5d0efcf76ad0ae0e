"""The packages in an image and their sizes, found by assigning each file to the package that owns it. Pure."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from common.engine.layers import Layer

WHITEOUT = ".wh."
"""A file with this prefix hides the file of the remaining name in the layers below (OCI image layer specification)."""
OPAQUE = ".wh..wh..opq"
"""A file of this name hides everything that the layers below have in its folder."""


class PackageKind(StrEnum):
    """The package manager that a package belongs to."""

    PYTHON = "python"
    DEBIAN = "debian"
    ALPINE = "alpine"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePackage:
    """A package in an image, with the size of its files, including a Python package's bytecode."""

    name: str
    version: str
    kind: PackageKind
    size_bytes: int


def merge_layers(layers: Sequence[Layer]) -> tuple[dict[str, int], dict[str, str]]:
    """Stack the layers, the first at the bottom; return the size of each visible file, and the package databases."""
    files: dict[str, int] = {}
    texts: dict[str, str] = {}
    for layer in layers:
        for path in layer.files:
            folder, _, name = path.rpartition("/")
            if name == OPAQUE:
                _hide(files, f"{folder}/")
            elif name.startswith(WHITEOUT):
                hidden = f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/")
                files.pop(hidden, None)
                _hide(files, f"{hidden}/")
        files |= {path: size for path, size in layer.files.items() if WHITEOUT not in path}
        texts |= layer.texts
    return files, {path: text for path, text in texts.items() if path in files}


def packages_in(files: Mapping[str, int], texts: Mapping[str, str]) -> tuple[ImagePackage, ...]:
    """Return every package of the image, the largest first. A file that two packages list counts for both."""
    versions = _debian_versions(texts.get("var/lib/dpkg/status", ""))
    packages = []
    for path, text in texts.items():
        if path.endswith("RECORD"):
            packages.append(_python_package(path, text, files))
        elif path.endswith(".list"):
            name = PurePosixPath(path).stem
            size_bytes = _total_size(files, (line.lstrip("/") for line in text.splitlines()))
            version = versions.get(name.partition(":")[0], "")
            packages.append(ImagePackage(name=name, version=version, kind=PackageKind.DEBIAN, size_bytes=size_bytes))
        elif path.endswith("installed"):
            packages += _alpine_packages(text, files)
    return tuple(sorted(packages, key=lambda package: (-package.size_bytes, package.name)))


def _hide(files: dict[str, int], prefix: str) -> None:
    for path in [path for path in files if path.startswith(prefix)]:
        del files[path]


def _python_package(record: str, text: str, files: Mapping[str, int]) -> ImagePackage:
    """Return a distribution: the files that its RECORD lists, and their bytecode, which installers need not list."""
    info = PurePosixPath(record).parent
    name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
    listed = {_without_parents(f"{info.parent}/{row[0]}") for row in csv.reader(text.splitlines()) if row}
    stems = {_stem(path) for path in listed if path.endswith(".py")}
    folders = {stem.rpartition("/")[0] for stem in stems}
    bytecode = {path for path in files if path.endswith(".pyc") and path.rpartition("/")[0] in folders}
    size_bytes = _total_size(files, listed | {path for path in bytecode if _source_stem(path) in stems})
    return ImagePackage(name=name.replace("_", "-"), version=version, kind=PackageKind.PYTHON, size_bytes=size_bytes)


def _stem(source: str) -> str:
    """Return ``pkg/__pycache__/a`` for ``pkg/a.py``: what the names of its bytecode files begin with."""
    folder, _, name = source.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}".lstrip("/")


def _source_stem(bytecode: str) -> str:
    """Return ``pkg/__pycache__/a`` for ``pkg/__pycache__/a.cpython-313.pyc``."""
    return re.sub(r"\.[^./]+(\.opt-\d)?\.pyc$", "", bytecode)


def _alpine_packages(text: str, files: Mapping[str, int]) -> Iterator[ImagePackage]:
    """Parse apk's database, a paragraph per package: ``P:`` name, ``V:`` version, ``F:`` folder, ``R:`` file in it."""
    for paragraph in text.split("\n\n"):
        fields = [line.partition(":")[::2] for line in paragraph.splitlines()]
        names = dict(fields)
        if "P" in names:
            yield ImagePackage(
                name=names["P"],
                version=names.get("V", ""),
                kind=PackageKind.ALPINE,
                size_bytes=_total_size(files, _apk_paths(fields)),
            )


def _apk_paths(fields: Iterable[tuple[str, ...]]) -> Iterator[str]:
    folder = ""
    for key, value in fields:
        if key == "F":
            folder = value
        elif key == "R":
            yield f"{folder}/{value}".lstrip("/")


def _debian_versions(status: str) -> dict[str, str]:
    paragraphs = re.finditer(r"^Package: (\S+)$(?:\n(?!\n).*)*?\nVersion: (\S+)$", status, re.MULTILINE)
    return {match[1]: match[2] for match in paragraphs}


def _total_size(files: Mapping[str, int], paths: Iterable[str]) -> int:
    """Add up file sizes. A database may list ``/lib/x`` for ``/usr/lib/x``, from before the folders were merged."""
    return sum(files.get(path, files.get(f"usr/{path}", 0)) for path in paths)


def _without_parents(path: str) -> str:
    """Resolve the ``..`` in a path, which RECORD uses for scripts."""
    parts: list[str] = []
    for part in path.split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)
