"""An image's files put out of the page cache, so that the next start reads them from the disk: a cold start."""

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
    """How an image can be made cold here; ``UsageError`` where it cannot."""
    if os.geteuid() == 0 and _folders(reference):
        return BY_FILE
    if os.access(DROP_CACHES, os.W_OK):
        return BY_ALL
    raise UsageError("CACHE=cold needs root, on the engine's own machine. Accepted: CACHE=warm.")


def evict(reference: str) -> None:
    """Put the files of an image out of the page cache. Pages that a running process maps stay, and so does the disk's.

    What was written a moment ago can only go once it is on the disk, so everything is written out first.
    """
    os.sync()
    if cold_method(reference) == BY_ALL:
        DROP_CACHES.write_text("3")
        return
    for file in _files(reference):
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def _files(reference: str) -> Iterator[int]:
    """A descriptor of each plain file of the image's layers, closed when the next is asked for."""
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
    """Where the engine keeps an image's layers unpacked; none where it does not say, or is not on this machine."""
    driver = engine().images.get(reference).attrs.get("GraphDriver") or {}
    data = driver.get("Data") or {}
    paths = [Path(one) for key in ("UpperDir", "LowerDir") for one in data.get(key, "").split(":") if one]
    return tuple(paths) if all(path.is_dir() for path in paths) else ()
