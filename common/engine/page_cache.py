"""Evicting an image from the page cache, so that the next start reads it from the disk: a cold start."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from common.engine.client import engine
from common.errors import UsageError

DROP_CACHES = Path("/proc/sys/vm/drop_caches")
BY_FILE = "posix_fadvise on every file of the image's layers; the engine's own programs stay cached"
BY_ALL = "drop_caches; the engine's own programs are cold too"


def cold_method(reference: str) -> str:
    """Return how an image can be evicted here; raise ``UsageError`` if it cannot."""
    if os.geteuid() == 0 and _folders(reference):
        return BY_FILE
    if os.access(DROP_CACHES, os.W_OK):
        return BY_ALL
    raise UsageError("CACHE=cold needs root on the Docker engine's machine. Run it there as root, or use CACHE=warm.")


def evict(reference: str) -> None:
    """Evict the files of an image from the page cache.

    Pages that a running process maps stay, and so does whatever the disk itself caches.
    """
    os.sync()  # a page can only be evicted once it is on the disk
    if cold_method(reference) == BY_ALL:
        DROP_CACHES.write_text("3")
        return
    for descriptor in _open_files(reference):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _open_files(reference: str) -> Iterator[int]:
    """Yield a descriptor of each regular file in the image's layers, which is closed with the next step."""
    for folder in _folders(reference):
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if path.is_symlink() or not path.is_file():
                    continue
                with path.open("rb") as file:
                    yield file.fileno()


@cache
def _folders(reference: str) -> tuple[Path, ...]:
    """Return the folders of an image's unpacked layers; none if the engine does not say or is on another machine."""
    driver = engine().images.get(reference).attrs.get("GraphDriver") or {}
    data = driver.get("Data") or {}
    paths = [Path(path) for key in ("UpperDir", "LowerDir") for path in data.get(key, "").split(":") if path]
    return tuple(paths) if all(path.is_dir() for path in paths) else ()
