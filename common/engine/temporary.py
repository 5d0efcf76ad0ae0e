"""What this process puts where a KILL would leave it: a folder under ``.cache/`` that bears its owner's name.

Folders whose owner lives no more, and the image tags that they note, are removed when the next claim is made.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from docker.errors import APIError, ImageNotFound

from common.engine.client import engine
from common.host.ownership import is_alive, owner_id
from common.project import ROOT

TEMPORARY = ROOT / ".cache" / "claims"
TAGS = "tags"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryResources:
    """A folder of this process's own, and the notes of what it has made elsewhere."""

    folder: Path

    @contextmanager
    def tagged(self, image: str, reference: str) -> Iterator[None]:
        """Another name for ``image`` while the block runs; one that was there already stays."""
        before = _present(reference)
        if not before:
            with (self.folder / TAGS).open("a") as notes:
                notes.write(f"{reference}\n")
        engine().images.get(image).tag(reference)
        try:
            yield
        finally:
            if not before:
                _untag(reference)


@contextmanager
def temporary_resources(root: Path = TEMPORARY) -> Iterator[TemporaryResources]:
    """A claim of this process, whose folder is gone afterwards; what killed processes left is removed first."""
    root.mkdir(parents=True, exist_ok=True)
    reclaim_orphans(root)
    owner = owner_id(os.getpid()).replace(":", ".")
    folder = Path(tempfile.mkdtemp(prefix=f"{owner}-", dir=root))
    try:
        yield TemporaryResources(folder=folder)
    finally:
        shutil.rmtree(folder)


def reclaim_orphans(root: Path = TEMPORARY) -> None:
    """Remove what the claims of processes that live no more have left."""
    for folder in root.iterdir():
        if is_alive(folder.name.partition("-")[0].replace(".", ":")):
            continue
        notes = folder / TAGS
        for reference in notes.read_text().split() if notes.exists() else ():
            _untag(reference)
        shutil.rmtree(folder, ignore_errors=True)


def _present(reference: str) -> bool:
    try:
        engine().images.get(reference)
    except ImageNotFound:
        return False
    return True


def _untag(reference: str) -> None:
    with suppress(APIError):  # gone already
        engine().images.remove(reference, noprune=True)
