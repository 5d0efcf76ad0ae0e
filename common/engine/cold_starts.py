"""Cold starts: an image that no page cache holds, and an engine that has no layer of it.

To empty the engine that the user works with, one would have to remove the user's images. Pulls go into a second one
behind a link instead, which has a folder and a network namespace of its own, runs no containers, and is removed
afterwards.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import docker
from docker import DockerClient
from docker.errors import DockerException
from requests import RequestException

from common.engine.client import API_VERSION, engine
from common.errors import FailedError, UsageError
from common.host.folders import make_folder
from common.host.network import Link
from common.host.ownership import is_orphan, owner_id, place_id
from common.host.readiness import wait_until
from common.host.supervisor import supervised
from common.project import ROOT
from common.words import counted

DROP_CACHES = Path("/proc/sys/vm/drop_caches")
BY_FILE = "posix_fadvise on every file of the image's layers; the engine's own programs stay cached"
BY_ALL = "drop_caches; the engine's own programs are cold too"
DOCKERD = "dockerd"
ENGINES = ROOT / ".cache" / "pull-engines"
PLACE = "place"
"""The file of an engine's folder that holds the ``place_id`` of its owner."""
PULL_TIMEOUT_S = 600
PING_TIMEOUT_S = 2


def cold_method(reference: str) -> str:
    """Return how an image can be evicted here; raise ``UsageError`` if it cannot."""
    if os.geteuid() == 0 and _layer_folders(reference):
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
    for folder in _layer_folders(reference):
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if path.is_symlink() or not path.is_file():
                    continue
                with path.open("rb") as file:
                    yield file.fileno()


@cache
def _layer_folders(reference: str) -> tuple[Path, ...]:
    """Return the folders of an image's unpacked layers; none if the engine does not say or is on another machine."""
    driver = engine().images.get(reference).attrs.get("GraphDriver") or {}
    data = driver.get("Data") or {}
    paths = [Path(path) for key in ("UpperDir", "LowerDir") for path in data.get(key, "").split(":") if path]
    return tuple(paths) if all(path.is_dir() for path in paths) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """Durations of one pull, both from the call."""

    download_s: float
    """Until the last layer was downloaded; the engine unpacks earlier layers meanwhile."""
    total_s: float
    """Until the last layer was unpacked."""


def require_dockerd() -> str:
    """Return the path of the engine's program; raise ``UsageError`` that says how to install it."""
    if (program := shutil.which(DOCKERD)) is None:
        raise UsageError(f"BANDWIDTH= needs {DOCKERD} on PATH. Run: apt-get install docker.io, or leave it out.")
    return program


@contextmanager
def empty_engine(link: Link, registry: str) -> Iterator[DockerClient]:
    """Start an engine behind ``link`` that pulls over plain HTTP from ``registry``; remove all of it afterwards."""
    program = require_dockerd()
    remove_orphaned_engines()
    # Named for its owner and no more: the path of a socket may have 108 bytes, the checkout's included.
    folder = make_folder(ENGINES / owner_id(os.getpid()).replace(":", "-"))
    (folder / PLACE).write_text(place_id())
    sock = folder / "s"
    line = [*link.prefix, program, *_options(folder, sock, registry)]
    try:
        with supervised(line, cwd=folder) as engine:
            wait_until(lambda: _answers(sock), engine.exit_reason, name=f"a second {DOCKERD}", output=engine.output)
            with closing(docker.DockerClient(base_url=f"unix://{sock}", timeout=PULL_TIMEOUT_S)) as client:
                yield client
    finally:
        _remove(folder)


def pull(client: DockerClient, reference: str) -> Pulled:
    """Pull ``reference`` and remove it with all its layers; raise ``FailedError`` if either fails."""
    start = downloaded = time.perf_counter()
    try:
        for event in client.api.pull(reference, stream=True, decode=True):
            _raise_error(reference, event)
            if event.get("status") == "Download complete":
                downloaded = time.perf_counter()
        end = time.perf_counter()
        client.images.remove(reference, force=True)
    except (DockerException, RequestException) as error:
        raise FailedError(f"{reference} was not pulled: {error}") from error
    if remaining := client.images.list(all=True):
        raise FailedError(
            f"removing {reference} left {counted(len(remaining), 'image')}, whose layers would not be pulled again."
        )
    return Pulled(download_s=downloaded - start, total_s=end - start)


def remove_orphaned_engines() -> None:
    """Remove the folder of every engine whose owner has exited; leave those whose owner cannot be seen from here."""
    here = place_id()
    for folder in ENGINES.glob("*"):
        if is_orphan(folder.name.replace("-", ":"), _place_of(folder), here=here):
            _remove(folder)


def _place_of(folder: Path) -> str | None:
    try:
        return (folder / PLACE).read_text()
    except (FileNotFoundError, NotADirectoryError):  # an earlier version's, or removed by another process meanwhile
        return None


def _raise_error(reference: str, event: Mapping[str, Any]) -> None:
    """Raise ``FailedError`` for an event that reports an error, or a retry, which would make the duration worthless."""
    if reason := event.get("error"):
        raise FailedError(f"{reference} was not pulled: {reason}")
    if str(event.get("status", "")).startswith("Retrying"):
        raise FailedError(f"{reference} was not pulled at one go: the connection to the registry broke.")


def _options(folder: Path, sock: Path, registry: str) -> list[str]:
    """Return the engine's options: no bridge and no firewall rules, since it runs no containers."""
    named = {"data-root": folder / "data", "exec-root": folder / "exec", "pidfile": folder / "pid",
             "host": f"unix://{sock}", "insecure-registry": registry, "config-file": folder / "none.json"}  # fmt: skip
    (folder / "none.json").write_text("{}")
    flags = ("--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false")
    return [*(f"--{name}={value}" for name, value in named.items()), *flags]


def _answers(sock: Path) -> bool:
    with (
        suppress(DockerException, RequestException),
        closing(docker.DockerClient(base_url=f"unix://{sock}", version=API_VERSION, timeout=PING_TIMEOUT_S)) as client,
    ):
        return sock.exists() and bool(client.api.version(api_version=False))
    return False


def _remove(folder: Path) -> None:
    """Remove a folder, and unmount what a killed engine has left mounted in it."""
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        if (mount_point := line.split()[4]).startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", mount_point], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)
