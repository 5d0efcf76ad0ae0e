"""The connection to the Docker engine, and the ``docker`` client on this machine that can build with it."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import docker
from docker import DockerClient
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.images import Image
from requests import RequestException

from common.errors import FailedError, UsageError
from common.words import last_lines

OLDEST_ENGINE = (20, 10)
API_VERSION = "1.40"
"""A placeholder for the question which version an engine has, whose address holds no API version."""
BUILDX_ONLY = 23
"""The first major version of the client that needs the buildx plugin for BuildKit; older ones include it."""
CLIENT_TIMEOUT_S = 20
REQUEST_TIMEOUT_S = 120


@cache
def engine() -> DockerClient:
    """Return a connection to the engine; raise ``UsageError`` with the reason if none answers."""
    try:
        version = _engine_version()
    except (DockerException, OSError) as error:  # the SDK raises OSError for a lost connection
        raise UsageError(
            f"no Docker engine answers ({reason_of(error)}). Install and start one "
            "(Debian: apt-get install docker.io), or use RUNTIME=process."
        ) from error
    if _major_minor(version) < OLDEST_ENGINE:
        raise UsageError(f"the Docker engine is {version}: must be 20.10 or newer. Or use RUNTIME=process.")
    return docker.from_env(timeout=REQUEST_TIMEOUT_S)


@contextmanager
def engine_failure_named() -> Iterator[None]:
    """Turn the error of an engine that fails while the block works with it into a ``FailedError`` with the reason."""
    try:
        yield
    except APIError as error:
        raise FailedError(f"the Docker engine refused a request: {reason_of(error)}") from error
    except (DockerException, RequestException) as error:
        raise FailedError(f"the Docker engine no longer answers: {reason_of(error)}") from error


def find_image(reference: str) -> Image | None:
    """Return an image of the engine, or ``None`` if there is none of that name.

    Raise ``UsageError`` with the engine's reason if it refuses to look, as it does for a name that is not valid.
    """
    try:
        return engine().images.get(reference)
    except ImageNotFound:
        return None
    except APIError as error:
        reason = reason_of(error).removeprefix(f"no such image: {reference}: ")
        raise UsageError(f"cannot look up the image {reference}: {reason}.") from error


def reason_of(error: Exception) -> str:
    """Return the engine's own explanation of an error in one line, or the error where the engine gave none."""
    explanation = error.explanation if isinstance(error, APIError) else None
    return _last_line(str(explanation or error))


def variables_of(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables of an image or a container, from the engine's description of it."""
    return dict(line.partition("=")[::2] for line in attributes["Config"].get("Env") or [])


def engine_answers() -> bool:
    """Return whether there is a usable engine."""
    try:
        engine()
    except UsageError:
        return False
    return True


def engine_socket() -> str | None:
    """Return the path of the Unix socket through which the engine is reached; ``None`` if that is a network."""
    scheme, _, path = _engine_address().partition("://")
    return path if scheme == "unix" else None


def build_client() -> str:
    """Return the path of a ``docker`` client that can build with BuildKit.

    Raise ``UsageError`` with what each client on ``PATH`` lacks if none can.
    """
    engine()
    defects = {}
    for client in _clients():
        if (defect := _defect(client)) is None:
            return client
        defects[client] = defect
    reasons = "; ".join(f"{client}: {defect}" for client, defect in defects.items()) or "there is no docker on PATH"
    raise UsageError(
        f"no docker client here can build: {reasons}. Install docker.io, docker-cli or docker-buildx-plugin."
    )


def build_environment() -> dict[str, str]:
    """Return an environment in which every client builds one plain image with the BuildKit of ``engine``."""
    # A builder outside the engine would not see local base images. Attestations would make each image an index. The SDK
    # knows no contexts, so that a client could build with another engine than the one in which we look for the image.
    choices = {"BUILDX_BUILDER", "BUILDKIT_PROGRESS", "DOCKER_CONTEXT"}
    ours = {name: value for name, value in os.environ.items() if name not in choices}
    return ours | {
        "DOCKER_HOST": _engine_address(),
        "DOCKER_BUILDKIT": "1",
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }


def _engine_address() -> str:
    """Return the address at which the SDK looks for the engine."""
    return os.environ.get("DOCKER_HOST") or DEFAULT_UNIX_SOCKET.removeprefix("http+")


def _engine_version() -> str:
    """Return the engine's version; raise ``OSError`` or ``DockerException`` if none answers.

    The SDK leaks a socket whenever it fails to connect. So a Unix socket is tried first without it, and its client is
    created with a fixed version: negotiating one in the constructor would connect where nothing can close it.
    """
    if (path := engine_socket()) is not None:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
    with closing(docker.from_env(version=API_VERSION, timeout=REQUEST_TIMEOUT_S)) as client:
        version: str = client.api.version(api_version=False)["Version"]
        return version


def _clients() -> Iterator[str]:
    """Yield each different ``docker`` on ``PATH``, in order."""
    known = set()
    for folder in os.get_exec_path():
        client = shutil.which("docker", path=folder)
        if client and (real := Path(client).resolve()) not in known:
            known.add(real)
            yield client


def _defect(client: str) -> str | None:
    """Return why a client cannot build, or ``None`` if it can."""
    succeeded, output = _ask(client, "version", "--format", "{{.Client.Version}} {{.Server.Version}}")
    if not succeeded:
        return output
    version = output.split()[0]
    if _major_minor(version) < OLDEST_ENGINE:
        return f"client {version} is older than 20.10"
    if _major_minor(version)[0] >= BUILDX_ONLY and not _ask(client, "buildx", "version")[0]:
        return f"client {version} has no buildx plugin"
    return None


def _ask(client: str, *arguments: str) -> tuple[bool, str]:
    """Run a client, and return whether it succeeded with its output, or else the last line of the error."""
    try:
        process = subprocess.run(
            [client, *arguments],
            capture_output=True,
            text=True,
            timeout=CLIENT_TIMEOUT_S,
            env=build_environment(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, _last_line(str(error))
    return process.returncode == 0, (process.stdout if process.returncode == 0 else _last_line(process.stderr))


def _major_minor(version: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _last_line(reason: str) -> str:
    return last_lines(reason, 1) or "no reason given"
