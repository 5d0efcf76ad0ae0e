"""The Docker engine, and a client on this machine that can build with it."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import docker
from docker import DockerClient
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import DockerException

from common.errors import UsageError

OLDEST_ENGINE = (20, 10)
API_VERSION = "1.40"
"""Of the API, where an engine is only asked who it is; it is in no address that is asked."""
BUILDX_ONLY = 23
"""Clients from this version on build with BuildKit through the buildx plugin only; older ones bring it along."""
QUESTION_DEADLINE_S = 20
REQUEST_DEADLINE_S = 120


@cache
def engine() -> DockerClient:
    """A connection to the engine that answers; ``UsageError`` says why there is none."""
    try:
        version = _engine_version()
    except (DockerException, OSError) as error:  # the SDK's lost connections are of the latter kind
        raise UsageError(
            f"no Docker engine answers ({_last(error)}). Install and start one (Debian: apt-get install docker.io), "
            "or use RUNTIME=process."
        ) from error
    if _version(version) < OLDEST_ENGINE:
        raise UsageError(f"the Docker engine is {version}. Accepted: 20.10 or newer; or use RUNTIME=process.")
    return docker.from_env(timeout=REQUEST_DEADLINE_S)


def engine_answers() -> bool:
    """Whether there is an engine that can be used."""
    try:
        engine()
    except UsageError:
        return False
    return True


def build_client() -> str:
    """The path of a ``docker`` client that can build with BuildKit; ``UsageError`` says what is missing."""
    engine()
    lacking = {}
    for client in _clients():
        if (lack := _lack(client)) is None:
            return client
        lacking[client] = lack
    found = "; ".join(f"{client}: {lack}" for client, lack in lacking.items()) or "there is no docker on PATH"
    raise UsageError(
        f"no docker client here can build: {found}. Install docker.io, docker-cli or docker-buildx-plugin."
    )


def build_environment() -> dict[str, str]:
    """The environment in which every client builds with BuildKit, in the engine itself, one plain image each."""
    kept = {name: value for name, value in os.environ.items() if name not in {"BUILDX_BUILDER", "BUILDKIT_PROGRESS"}}
    return kept | {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}


def _engine_version() -> str:
    """Return the version of the engine that answers; ``OSError`` or ``DockerException`` where none does.

    The SDK leaves a socket open wherever it fails to connect, so a Unix socket is tried first, and the client that asks
    does not negotiate a version in its constructor, where nothing could close it.
    """
    scheme, _, path = (os.environ.get("DOCKER_HOST") or DEFAULT_UNIX_SOCKET.removeprefix("http+")).partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
    with closing(docker.from_env(version=API_VERSION, timeout=REQUEST_DEADLINE_S)) as client:
        version: str = client.api.version(api_version=False)["Version"]
        return version


def _clients() -> Iterator[str]:
    seen = set()
    for folder in os.get_exec_path():
        client = shutil.which("docker", path=folder)
        if client and (real := Path(client).resolve()) not in seen:
            seen.add(real)
            yield client


def _lack(client: str) -> str | None:
    own, told = _ask(client, "version", "--format", "{{.Client.Version}} {{.Server.Version}}")
    if not own:
        return told
    version = told.split()[0]
    if _version(version) < OLDEST_ENGINE:
        return f"client {version} is older than 20.10"
    if _version(version)[0] >= BUILDX_ONLY and not _ask(client, "buildx", "version")[0]:
        return f"client {version} has no buildx plugin"
    return None


def _ask(client: str, *arguments: str) -> tuple[bool, str]:
    try:
        done = subprocess.run(
            [client, *arguments], capture_output=True, text=True, timeout=QUESTION_DEADLINE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, _last(error)
    return done.returncode == 0, (done.stdout if done.returncode == 0 else _last(done.stderr))


def _version(text: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _last(reason: object) -> str:
    lines = str(reason).strip().splitlines()
    return lines[-1].strip() if lines else "no reason given"
