"""The archive of a bundle: a gzip-compressed tar of plain files, in one form only.

An archive from elsewhere may be made to do harm. It is decompressed within bounds, and nothing is extracted to disk.
``tarfile`` reads the headers one by one, without the extensions of the format: the ``data`` filter, which guards an
extraction, would come after those and admit links.
"""

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from common.errors import UsageError
from common.words import counted

MOST_FILES = 1_000
MOST_BYTES = 64 * 1024**2
"""The most that an archive may hold, decompressed."""
NAME = re.compile(r"(?=.{1,100}\Z)[A-Za-z0-9][A-Za-z0-9_.@+-]*(/[A-Za-z0-9][A-Za-z0-9_.@+-]*)*", re.ASCII)
"""Relative paths without parents, hidden files and characters that mean something to a shell or a terminal."""
WAY_OUT = "Make it with make bundle, or get it again."
_MB = 1024**2
_EMPTY = bytes(tarfile.BLOCKSIZE)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the archive of files by their names, the same for equal files; ``UsageError`` beyond the bounds."""
    raw = _tar(files)
    if len(raw) > MOST_BYTES or len(files) > MOST_FILES:
        raise UsageError(
            f"{counted(len(files), 'file')} of {len(raw) / _MB:,.0f} MB are too much for a bundle: "
            f"must be at most {MOST_FILES:,} files of {MOST_BYTES / _MB:,.0f} MB. Name fewer runs."
        )
    return gzip.compress(raw, mtime=0)


def unpack(file: Path, *, named: str) -> dict[str, bytes]:
    """Return the files in an archive by their names; ``UsageError`` calls it ``named`` and says why it is refused."""
    raw, files = _decompressed(_read(file, named), named), dict[str, bytes]()
    for member, content in _members(raw, named):
        if (reason := _why_refused(member, files)) is not None:
            raise UsageError(f"{named} holds {reason}. {WAY_OUT}")
        files[member.name] = content
    if _tar(files) != raw:
        raise UsageError(f"{named} holds more than its files, or not as make bundle writes them. {WAY_OUT}")
    return files


def _tar(files: Mapping[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            member = tarfile.TarInfo(name)  # of user and group 0, at the beginning of 1970, mode 644
            member.size = len(files[name])
            tar.addfile(member, io.BytesIO(files[name]))
    return raw.getvalue()


def _read(file: Path, named: str) -> bytes:
    try:
        if not file.is_file():
            raise UsageError(f"{named} is not a file: must be one that make bundle wrote.")
        with file.open("rb") as opened:
            packed = opened.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"{named} cannot be read: {error}.") from error
    if len(packed) > MOST_BYTES:
        raise UsageError(f"{named} has more than {MOST_BYTES / _MB:,.0f} MB, which is too much. {WAY_OUT}")
    return packed


def _decompressed(packed: bytes, named: str) -> bytes:
    """Return the decompressed bytes; ``UsageError`` if there are more than ``MOST_BYTES``."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        raw = stream.decompress(packed, MOST_BYTES + 1)
    except zlib.error as error:
        raise UsageError(f"{named} is damaged, or no gzip-compressed tar archive: {error}. {WAY_OUT}") from error
    if len(raw) > MOST_BYTES:
        raise UsageError(f"{named} holds more than {MOST_BYTES / _MB:,.0f} MB, compressed to less. {WAY_OUT}")
    if not stream.eof:
        raise UsageError(f"{named} is cut off. {WAY_OUT}")
    if stream.unused_data:
        raise UsageError(f"{named} goes on after its end. {WAY_OUT}")
    return raw


def _members(raw: bytes, named: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield each header with the content that follows it, as long as its size says."""
    start = 0
    while (block := raw[start : start + tarfile.BLOCKSIZE]) != _EMPTY:
        try:
            member = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            raise UsageError(f"{named} is damaged, or no tar archive: {error}. {WAY_OUT}") from error
        begin = start + tarfile.BLOCKSIZE
        if not 0 <= member.size <= len(raw) - begin:
            raise UsageError(f"{named} holds {member.name!a} of {member.size:,} bytes, which are not there. {WAY_OUT}")
        yield member, raw[begin : begin + member.size]
        start = begin - (-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _why_refused(member: tarfile.TarInfo, files: Mapping[str, bytes]) -> str | None:
    """Return what is wrong with a member beside the ``files`` before it; ``None`` if nothing is."""
    if member.type != tarfile.REGTYPE:
        return f"{member.name!a}, which is not a plain file"
    if NAME.fullmatch(member.name) is None:
        return f"a file named {member.name!a}: must be a relative path of letters, digits and _ . @ + -"
    if member.name in files:
        return f"{member.name} twice"
    return f"more than {MOST_FILES:,} files" if len(files) >= MOST_FILES else None
