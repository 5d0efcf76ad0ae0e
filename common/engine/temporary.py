"""Temporary resources, reclaimed after a crash: a folder under ``.cache/`` and tags in the Docker engine.

A file in the folder lists the tags. When the next process creates temporary resources, it removes the folders whose
owner has exited, and the tags listed there.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from docker.errors import APIError

from common.engine.client import engine, find_image
from common.errors import FailedError, UsageError
from common.host.folders import orphaned_folders, remove_folder, temporary_folder
from common.project import ROOT

TEMPORARY = ROOT / ".cache" / "temporary"
TAGS = "tags"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryResources:
    """A folder of this process, and the list of the image tags that it has created."""

    folder: Path

    @contextmanager
    def tagged(self, image: str, reference: str) -> Iterator[None]:
        """Tag ``image`` as ``reference`` within the block. A tag that existed before is kept."""
        existed = find_image(reference) is not None
        if not existed:
            # Listed first: a kill in between leaves an entry without a tag, which does no harm.
            with (self.folder / TAGS).open("a") as tags:
                tags.write(f"{reference}\n")
        try:
            _tag(image, reference)
            yield
        finally:
            if not existed:
                _untag(reference)


@contextmanager
def temporary_resources(root: Path = TEMPORARY) -> Iterator[TemporaryResources]:
    """Create temporary resources and remove them afterwards; reclaim those of killed processes first."""
    with temporary_folder("resources", root=root, reclaim=_reclaim) as folder:
        yield TemporaryResources(folder=folder)


def remove_orphaned_resources(root: Path = TEMPORARY) -> None:
    """Remove the folders and tags of killed processes; leave them for later where no engine answers."""
    with suppress(UsageError):
        for folder in orphaned_folders(root):
            _reclaim(folder)


def _reclaim(folder: Path) -> None:
    """Remove a folder of temporary resources with the tags that it lists."""
    tags = folder / TAGS
    for reference in tags.read_text().split() if tags.exists() else ():
        _untag(reference)
    remove_folder(folder)


def _tag(image: str, reference: str) -> None:
    try:
        engine().images.get(image).tag(reference)
    except APIError as error:
        raise FailedError(f"{image} cannot be tagged as {reference}: {error.explanation}") from error


def _untag(reference: str) -> None:
    with suppress(APIError):  # already removed
        engine().images.remove(reference, noprune=True)
