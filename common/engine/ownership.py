"""Our containers, images and networks in the engine, each with its owner, so that a crash leaves none behind.

Containers carry labels that name their owner and its place, and a watchdog removes them if that owner is killed. Tags
are listed in a file of a temporary folder under ``.cache/``; whoever finds that folder's owner gone removes them too.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from docker.errors import APIError
from docker.models.containers import Container

from common.engine import container_watchdog
from common.engine.client import engine, engine_answers, engine_socket, find_image, reason_of
from common.errors import BenchmarkError, FailedError, UsageError
from common.host.folders import orphaned_folders, remove_folder, temporary_folder
from common.host.ownership import is_orphan, owner_id, place_id
from common.project import PROJECT, ROOT

OWNER = f"{PROJECT}.owner"
"""The label that holds the ``owner_id`` of the process that created a container."""
PLACE = f"{PROJECT}.place"
"""The label that holds the ``place_id`` of that process, by which alone its PID can be understood."""
WATCHDOG = f"{PROJECT}.watchdog"
"""The label by which a watchdog finds the containers that it watches."""
SHORT_ID = 12
"""The length of the ids that ``docker ps`` shows."""
TEMPORARY = ROOT / ".cache" / "temporary"
TAGS = "tags"


@contextmanager
def watched_containers() -> Iterator[dict[str, str]]:
    """Yield labels for containers, which a watchdog removes if this process is killed within the block."""
    watchdog_id = secrets.token_hex(8)
    line = [sys.executable, "-I", container_watchdog.__file__, f"{WATCHDOG}={watchdog_id}"]
    with subprocess.Popen(
        line,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as watchdog:
        try:
            yield {OWNER: owner_id(os.getpid()), PLACE: place_id(), WATCHDOG: watchdog_id}
        except BenchmarkError:  # removal has run; after anything else, such as an interrupt, the watchdog makes sure
            _disarm(watchdog)
            raise
        _disarm(watchdog)


def remove_container(container: Container) -> None:
    """Stop and remove a container with its volumes, unless it is removed already."""
    try:
        container.remove(force=True, v=True)
    except APIError as error:
        if error.status_code not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:  # removed, or being removed
            raise


def remove_orphaned_containers() -> None:
    """Remove every container of ours whose owner has exited; leave those whose owner cannot be seen from here.

    An engine may serve several machines, and containers that reach it through its socket.
    """
    here, api = place_id(), engine().api
    for row in api.containers(all=True, filters={"label": OWNER}):
        if is_orphan(row["Labels"][OWNER], row["Labels"].get(PLACE), here=here):
            with suppress(APIError):  # another process may be removing it too
                api.remove_container(row["Id"], force=True, v=True)


def clear_local_engine() -> list[str]:
    """Remove orphaned containers from this machine's engine, if one answers: they may take CPU time from a run.

    Return the short ids of ours that run on it and whose owner cannot be seen from here.
    """
    if engine_socket() is None or not engine_answers():
        return []
    remove_orphaned_containers()
    here = place_id()
    running = engine().api.containers(filters={"label": PLACE})
    return [row["Id"][:SHORT_ID] for row in running if row["Labels"][PLACE] != here]


def _disarm(watchdog: subprocess.Popen[bytes]) -> None:
    assert watchdog.stdin is not None
    with suppress(BrokenPipeError):
        watchdog.stdin.write(container_watchdog.DISARM)


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
        raise FailedError(f"{image} cannot be tagged as {reference}: {reason_of(error)}") from error


def _untag(reference: str) -> None:
    with suppress(APIError):  # already removed
        engine().images.remove(reference, noprune=True)
