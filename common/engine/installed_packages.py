"""Which package each file of an image belongs to, and so what every package in it weighs. Pure."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from common.engine.layers import Layer

WHITEOUT = ".wh."
"""A file of this prefix hides the one of its name in the layers below; ``.wh..wh..opq`` all that its folder held."""
OPAQUE = ".wh..wh..opq"


class PackageKind(StrEnum):
    """Whose package it is."""

    PYTHON = "python"
    DEBIAN = "debian"
    ALPINE = "alpine"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePackage:
    """A package in an image: the bytes of its files, of a Python package's bytecode too."""

    name: str
    version: str
    kind: PackageKind
    size_bytes: int


def merge_layers(layers: Sequence[Layer]) -> tuple[dict[str, int], dict[str, str]]:
    """The files of the layers one upon the other, the first at the bottom: bytes by path, and the kept texts."""
    files: dict[str, int] = {}
    texts: dict[str, str] = {}
    for layer in layers:
        for path in layer.files:
            folder, _, name = path.rpartition("/")
            if name == OPAQUE:
                _hide(files, f"{folder}/")
            elif name.startswith(WHITEOUT):
                gone = f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/")
                files.pop(gone, None)
                _hide(files, f"{gone}/")
        files |= {path: size for path, size in layer.files.items() if WHITEOUT not in path}
        texts |= layer.texts
    return files, {path: text for path, text in texts.items() if path in files}


def packages_in(files: Mapping[str, int], texts: Mapping[str, str]) -> tuple[ImagePackage, ...]:
    """Every package of the image, the largest first. A file that two packages claim counts for both."""
    versions = _debian_versions(texts.get("var/lib/dpkg/status", ""))
    found = []
    for path, text in texts.items():
        if path.endswith("RECORD"):
            found.append(_python(path, text, files))
        elif path.endswith(".list"):
            name = PurePosixPath(path).stem
            size_bytes = _sum(files, (line.lstrip("/") for line in text.splitlines()))
            version = versions.get(name.partition(":")[0], "")
            found.append(ImagePackage(name=name, version=version, kind=PackageKind.DEBIAN, size_bytes=size_bytes))
        elif path.endswith("installed"):
            found += _alpine(text, files)
    return tuple(sorted(found, key=lambda one: (-one.size_bytes, one.name)))


def _hide(files: dict[str, int], below: str) -> None:
    for path in [path for path in files if path.startswith(below)]:
        del files[path]


def _python(record: str, text: str, files: Mapping[str, int]) -> ImagePackage:
    """A distribution: what its RECORD lists, and the bytecode of that, which an installer need not list."""
    info = PurePosixPath(record).parent
    name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
    listed = {_normal(f"{info.parent}/{row[0]}") for row in csv.reader(text.splitlines()) if row}
    stems = {_stem(path) for path in listed if path.endswith(".py")}
    folders = {stem.rpartition("/")[0] for stem in stems}
    bytecode = {path for path in files if path.endswith(".pyc") and path.rpartition("/")[0] in folders}
    size_bytes = _sum(files, listed | {path for path in bytecode if _source_stem(path) in stems})
    return ImagePackage(name=name.replace("_", "-"), version=version, kind=PackageKind.PYTHON, size_bytes=size_bytes)


def _stem(source: str) -> str:
    """``pkg/a.py`` as ``pkg/__pycache__/a``, the beginning of its bytecode's name."""
    folder, _, name = source.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}".lstrip("/")


def _source_stem(bytecode: str) -> str:
    """``pkg/__pycache__/a.cpython-313.pyc`` as ``pkg/__pycache__/a``."""
    return re.sub(r"\.[^./]+(\.opt-\d)?\.pyc$", "", bytecode)


def _alpine(text: str, files: Mapping[str, int]) -> Iterator[ImagePackage]:
    """The paragraphs of apk's database: ``P:`` name, ``V:`` version, ``F:`` a folder, ``R:`` a file in it."""
    for paragraph in text.split("\n\n"):
        fields = [line.partition(":")[::2] for line in paragraph.splitlines()]
        single = dict(fields)
        if "P" in single:
            size_bytes = _sum(files, _apk_paths(fields))
            yield ImagePackage(
                name=single["P"], version=single.get("V", ""), kind=PackageKind.ALPINE, size_bytes=size_bytes
            )


def _apk_paths(fields: Iterable[tuple[str, ...]]) -> Iterator[str]:
    folder = ""
    for key, value in fields:
        if key == "F":
            folder = value
        elif key == "R":
            yield f"{folder}/{value}".lstrip("/")


def _debian_versions(status: str) -> dict[str, str]:
    found = re.finditer(r"^Package: (\S+)$(?:\n(?!\n).*)*?\nVersion: (\S+)$", status, re.MULTILINE)
    return {one[1]: one[2] for one in found}


def _sum(files: Mapping[str, int], paths: Iterable[str]) -> int:
    """The bytes of the files; a database may name one by the folder that ``/bin`` or ``/lib`` was a link to."""
    return sum(files.get(path, files.get(f"usr/{path}", 0)) for path in paths)


def _normal(path: str) -> str:
    """A path without ``..``, as RECORD has them for scripts."""
    parts: list[str] = []
    for part in path.split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)
