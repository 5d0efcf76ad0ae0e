"""The content of an image layer as a registry stores it: its files, its unpacked size, and its size in zstd."""

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

import zstandard

from common.errors import FailedError

ZSTD_LEVEL = 3
"""The default level of ``zstd``, and of the zstd layers that BuildKit and containerd write."""
CHUNK_BYTES = 1024**2
PACKAGE_DATABASES = re.compile(r".*\.dist-info/RECORD|var/lib/dpkg/(info/.*\.list|status)|(usr/)?lib/apk/db/installed")
"""The paths of the files that list which package owns which files."""


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
            files, texts = _read_members(tar)
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


def _read_members(tar: _MeteredTar) -> tuple[dict[str, int], dict[str, str]]:
    files: dict[str, int] = {}
    texts: dict[str, str] = {}
    with tarfile.open(fileobj=tar, mode="r|", bufsize=CHUNK_BYTES) as archive:
        for member in archive:
            path = member.name.removeprefix("./").lstrip("/")
            if member.isdir():
                continue
            files[path] = member.size
            if PACKAGE_DATABASES.fullmatch(path) and (content := archive.extractfile(member)) is not None:
                texts[path] = content.read().decode(errors="replace")
    tar.finish()
    return files, texts
