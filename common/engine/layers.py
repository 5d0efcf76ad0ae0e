"""What is in an image's layer as a registry keeps it: its tar's bytes, its files, what it would weigh in zstd."""

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
"""The level of ``zstd`` itself and of BuildKit's and containerd's zstd layers, where none is asked for."""
CHUNK_BYTES = 1024**2
KEPT = re.compile(r".*\.dist-info/RECORD|var/lib/dpkg/(info/.*\.list|status)|(usr/)?lib/apk/db/installed")
"""The files whose text says which package owns which files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer, unpacked."""

    diff_id: str
    """Digest of the tar, by which the image's configuration names the layer."""
    tar_bytes: int
    zstd_bytes: int
    """Its tar compressed with zstd at ``ZSTD_LEVEL``: computed, no registry's figure."""
    files: Mapping[str, int]
    """Bytes of each file by path without a leading slash, whiteouts included; links and folders have none."""
    texts: Mapping[str, str]
    """Those files that ``KEPT`` matches."""


def read_layer(blob: IO[bytes], media_type: str) -> Layer:
    """The layer that ``blob`` holds; ``FailedError`` where it is no gzip, zstd or plain tar."""
    try:
        with _Tar(_unpacked(blob, media_type)) as tar:
            files, texts = _members(tar)
            return Layer(diff_id=tar.digest, tar_bytes=tar.size, zstd_bytes=tar.zstd_size, files=files, texts=texts)
    except (tarfile.TarError, zstandard.ZstdError, EOFError, OSError) as error:
        raise FailedError(f"a layer of type {media_type} cannot be read: {error}") from error


def _unpacked(blob: IO[bytes], media_type: str) -> IO[bytes] | gzip.GzipFile:
    if media_type.endswith("zstd"):
        return zstandard.ZstdDecompressor().stream_reader(blob)
    return gzip.open(blob) if media_type.endswith("gzip") else blob


class _Tar(io.RawIOBase):
    """A tar read once from its beginning to its end: counted, digested and compressed on the way."""

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
        """Read what is behind the last member."""
        while self.read(CHUNK_BYTES):
            pass
        self.zstd_size += len(self._zstd.flush())


def _members(tar: _Tar) -> tuple[dict[str, int], dict[str, str]]:
    files: dict[str, int] = {}
    texts: dict[str, str] = {}
    with tarfile.open(fileobj=tar, mode="r|", bufsize=CHUNK_BYTES) as archive:
        for member in archive:
            path = member.name.removeprefix("./").lstrip("/")
            if member.isdir():
                continue
            files[path] = member.size
            if KEPT.fullmatch(path) and (content := archive.extractfile(member)) is not None:
                texts[path] = content.read().decode(errors="replace")
    tar.finish()
    return files, texts
