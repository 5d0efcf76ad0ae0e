"""The content of an image: each layer as a registry stores it, the files of all together, and the packages among them.

A layer has its files, its unpacked size and its size in zstd. A package's size is that of the files that it owns.
"""

import csv
import gzip
import hashlib
import io
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import source_from_cache
from pathlib import PurePosixPath
from posixpath import normpath
from typing import IO

import zstandard

from common.errors import FailedError

ZSTD_LEVEL = 3
"""The default level of ``zstd``, and of the zstd layers that BuildKit and containerd write."""
CHUNK_BYTES = 1024**2
PACKAGE_DATABASES = re.compile(r".*\.dist-info/RECORD|var/lib/dpkg/(info/.*\.list|status)|(usr/)?lib/apk/db/installed")
"""The paths of the files that list which package owns which files."""
WHITEOUT = ".wh."
"""A file with this prefix hides the file of the remaining name in the layers below (OCI image layer specification)."""
OPAQUE = ".wh..wh..opq"
"""A file of this name hides everything that the layers below have in its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The content of a layer."""

    diff_id: str
    """Digest of the unpacked tar, by which an image's configuration refers to the layer."""
    tar_bytes: int
    zstd_bytes: int
    """Size of the tar compressed with zstd at ``ZSTD_LEVEL``; computed here, whatever the registry stores."""
    files: Mapping[str, int]
    """Size of each file by its path (no leading slash), including whiteouts; links count 0, folders are left out."""
    texts: Mapping[str, str]
    """Text of each file whose path matches ``PACKAGE_DATABASES``."""


def read_layer(blob: IO[bytes], media_type: str) -> Layer:
    """Read a layer; raise ``FailedError`` if ``blob`` is not a tar, plain or compressed as ``media_type`` says."""
    try:
        with _MeteredTar(_decompressed(blob, media_type)) as tar:
            files, texts = read_files(tar)
            tar.finish()
            return Layer(diff_id=tar.digest, tar_bytes=tar.size, zstd_bytes=tar.zstd_size, files=files, texts=texts)
    except (tarfile.TarError, zstandard.ZstdError, EOFError, OSError) as error:
        raise FailedError(f"a layer of type {media_type} cannot be read: {error}") from error


def _decompressed(blob: IO[bytes], media_type: str) -> IO[bytes] | gzip.GzipFile:
    if media_type.endswith("zstd"):
        return zstandard.ZstdDecompressor().stream_reader(blob)
    return gzip.open(blob) if media_type.endswith("gzip") else blob


class _MeteredTar(io.RawIOBase):
    """A tar read once from beginning to end, and counted, hashed and compressed on the way."""

    def __init__(self, source: IO[bytes] | gzip.GzipFile) -> None:
        self._source = source
        self._sha256 = hashlib.sha256()
        self._zstd = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
        self.size = 0
        self.zstd_size = 0

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._source.close()
        super().close()

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha256.hexdigest()}"

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.size += len(data)
        self._sha256.update(data)
        self.zstd_size += len(self._zstd.compress(data))
        return data

    def finish(self) -> None:
        """Read what follows the last member, which ``tarfile`` does not."""
        while self.read(CHUNK_BYTES):
            pass
        self.zstd_size += len(self._zstd.flush())


def read_files(tar: io.RawIOBase) -> tuple[dict[str, int], dict[str, str]]:
    """Return the size of each file in a tar, and the package databases, as ``Layer`` has them."""
    files: dict[str, int] = {}
    texts: dict[str, str] = {}
    with tarfile.open(fileobj=tar, mode="r|", bufsize=CHUNK_BYTES) as archive:
        for member in archive:
            path = member.name.removeprefix("./").lstrip("/")
            if member.isdir():
                continue
            files[path] = member.size
            # A link is a member without content; what it leads to may be in another layer.
            if member.isreg() and PACKAGE_DATABASES.fullmatch(path) and (content := archive.extractfile(member)):
                texts[path] = content.read().decode(errors="replace")
    return files, texts


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
        files |= {path: size for path, size in layer.files.items() if not PurePosixPath(path).name.startswith(WHITEOUT)}
        texts |= layer.texts
    return files, {path: text for path, text in texts.items() if path in files}


def packages_in(files: Mapping[str, int], texts: Mapping[str, str]) -> tuple[ImagePackage, ...]:
    """Return every package of the image, the largest first. A file that two packages list counts for both."""
    versions, bytecode = _debian_versions(texts.get("var/lib/dpkg/status", "")), _bytecode_by_source(files)
    packages = []
    for path, text in texts.items():
        if path.endswith("RECORD"):
            packages.append(_python_package(path, text, files, bytecode))
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


def _python_package(
    record: str, text: str, files: Mapping[str, int], bytecode: Mapping[str, Iterable[str]]
) -> ImagePackage:
    """Return a distribution: the files that its RECORD lists, and their bytecode, which installers need not list."""
    info = PurePosixPath(record).parent
    name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
    listed = {normpath(f"{info.parent}/{row[0]}") for row in csv.reader(text.splitlines()) if row}  # scripts are in ..
    own = listed.union(*(bytecode.get(path, ()) for path in listed))
    size_bytes = _total_size(files, own)
    return ImagePackage(name=name.replace("_", "-"), version=version, kind=PackageKind.PYTHON, size_bytes=size_bytes)


def _bytecode_by_source(files: Iterable[str]) -> dict[str, list[str]]:
    """Return the bytecode files in ``__pycache__`` by the path of their source, such as ``pkg/a.py``."""
    found = defaultdict[str, list[str]](list)
    for path in files:
        if path.endswith(".pyc"):
            with suppress(ValueError):  # it is not named as PEP 3147 has it
                found[source_from_cache(path)].append(path)
    return found


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
