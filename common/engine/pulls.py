"""A second Docker engine, empty and behind a link: what it pulls has no layer in common with anything that is there.

Removing every shared layer from the engine that users work with would remove their images. This one has a folder and a
network namespace of its own, runs no container, and is gone afterwards.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker import DockerClient
from docker.errors import DockerException
from requests import RequestException

from common.errors import FailedError, UsageError
from common.host.ownership import is_alive, owner_id
from common.host.shaped_link import Link
from common.host.supervisor import supervised
from common.host.waiting import wait_until
from common.project import ROOT

PROGRAM = "dockerd"
FOLDERS = ROOT / ".cache" / "pull-engines"
PULL_TIMEOUT_S = 600
ASK_TIMEOUT_S = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """How long one pull took, from the call."""

    download_s: float
    """Until the last layer was downloaded; unpacking has begun long before."""
    total_s: float
    """Until the last layer was unpacked."""


def require_program() -> str:
    """The engine's path; ``UsageError`` says how to get it."""
    if (program := shutil.which(PROGRAM)) is None:
        raise UsageError(f"BANDWIDTH= needs {PROGRAM} on PATH. Run: apt-get install docker.io, or leave it out.")
    return program


@contextmanager
def empty_engine(link: Link, registry: str) -> Iterator[DockerClient]:
    """An engine behind ``link`` that takes plain HTTP from ``registry``; nothing of it is left afterwards."""
    program = require_program()
    remove_orphaned_engines()
    folder = FOLDERS / owner_id(os.getpid()).replace(":", "-")
    folder.mkdir(parents=True)
    sock = folder / "s"
    line = [*link.prefix, program, *_options(folder, sock, registry)]
    try:
        with supervised(line, cwd=folder) as engine:
            wait_until(lambda: _answers(sock), engine.exit_reason, what=f"a second {PROGRAM}")
            with closing(docker.DockerClient(base_url=f"unix://{sock}", timeout=PULL_TIMEOUT_S)) as client:
                yield client
    finally:
        _remove(folder)


def pull(client: DockerClient, reference: str) -> Pulled:
    """Pull ``reference``, and remove it and all its layers again; ``FailedError`` where that fails."""
    began_s = time.perf_counter()
    downloaded_s = began_s
    try:
        for event in client.api.pull(reference, stream=True, decode=True):
            _refuse_error(reference, event)
            if event.get("status") == "Download complete":
                downloaded_s = time.perf_counter()
        ended_s = time.perf_counter()
        client.images.remove(reference, force=True)
    except (DockerException, RequestException) as error:
        raise FailedError(f"{reference} was not pulled: {error}") from error
    if left := client.images.list(all=True):
        raise FailedError(f"{reference} left {len(left)} images in the engine, whose layers would not be pulled again.")
    return Pulled(download_s=downloaded_s - began_s, total_s=ended_s - began_s)


def remove_orphaned_engines() -> None:
    """Remove the folder of every engine whose owner lives no more."""
    for folder in FOLDERS.glob("*"):
        if not is_alive(folder.name.replace("-", ":")):
            _remove(folder)


def _refuse_error(reference: str, event: Mapping[str, Any]) -> None:
    if said := event.get("error"):
        raise FailedError(f"{reference} was not pulled: {said}")
    if str(event.get("status", "")).startswith("Retrying"):
        raise FailedError(f"{reference} was not pulled at once: the registry broke a layer off.")


def _options(folder: Path, sock: Path, registry: str) -> list[str]:
    """No bridge and no rules: the namespace is the engine's own, and it starts no container."""
    named = {"data-root": folder / "data", "exec-root": folder / "exec", "pidfile": folder / "pid",
             "host": f"unix://{sock}", "insecure-registry": registry, "config-file": folder / "none.json"}  # fmt: skip
    (folder / "none.json").write_text("{}")
    plain = ("--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false")
    return [*(f"--{name}={value}" for name, value in named.items()), *plain]


def _answers(sock: Path) -> bool:
    with (
        suppress(DockerException, RequestException),
        closing(docker.DockerClient(base_url=f"unix://{sock}", version="1.40", timeout=ASK_TIMEOUT_S)) as client,
    ):
        return sock.exists() and bool(client.ping())
    return False


def _remove(folder: Path) -> None:
    """Remove a folder and what an engine that was killed left mounted in it."""
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        if (point := line.split()[4]).startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)
