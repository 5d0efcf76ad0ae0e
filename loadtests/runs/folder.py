"""Records in a folder: each is on the disk before the next is made."""

import os
from pathlib import Path

import msgspec
from msgspec import Struct


def write(file: Path, record: Struct) -> None:
    """``file`` with this one record in it."""
    _write(file, "wb", msgspec.json.format(msgspec.json.encode(record)))


def append(file: Path, record: Struct) -> None:
    """One more line of ``file``."""
    _write(file, "ab", msgspec.json.encode(record))


def _write(file: Path, mode: str, text: bytes) -> None:
    with file.open(mode) as out:
        out.write(text + b"\n")
        out.flush()
        os.fsync(out.fileno())
