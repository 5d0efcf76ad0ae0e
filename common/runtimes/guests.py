"""Servers of the user's own that are measured like stacks: an image that is run, or a server that is already up."""

import functools
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from docker.errors import APIError, ImageNotFound
from docker.models.images import Image

from common.catalog.frameworks import Framework, Interface
from common.catalog.servers import Server
from common.catalog.sizes import Size
from common.catalog.stacks import Stack
from common.engine.build_context import PORT
from common.engine.client import engine, reason_of, variables_of
from common.errors import FailedError, UsageError
from common.host.cores import Cores
from common.host.meters import GONE, cgroup_meter, metered_pids
from common.host.readiness import answers
from common.project import ROOT
from common.records.run import Guest
from common.runtimes import container
from common.runtimes.running_server import RunningServer
from common.words import canonical

DOCKERS_OWN = "default"
"""The word for the capabilities that ``docker run`` gives."""
CAPABILITIES = ("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
                "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT")  # fmt: skip
"""Docker's own capabilities, more than which no guest is given."""

_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")


def guest_stack(guest: Guest) -> Stack:
    """Return what stands in for a framework and a server where a table or a record names both."""
    framework = Framework(
        name=guest.name,
        title=guest.name,
        folder=ROOT,
        interface=Interface.NATIVE,
        target="",
        distribution=None,
        dependencies=(),
        command="",
        unavailable={},
    )
    return Stack(framework=framework, server=Server(name="own", interfaces=frozenset(), requirements=(), line=""))


def parse_capabilities(text: str) -> str:
    """Return the capabilities that ``TARGET_CAPS=`` names, in Docker's spelling; ``UsageError`` if one is no name."""
    if canonical(text) == DOCKERS_OWN:
        return DOCKERS_OWN
    names = [part.strip().upper().removeprefix("CAP_") for part in text.split(",") if part.strip()]
    if wrong := next((name for name in names if name not in CAPABILITIES), None):
        accepted = ", ".join(CAPABILITIES)
        raise UsageError(f"TARGET_CAPS={wrong} is unknown. Accepted: {accepted}, joined by commas, or {DOCKERS_OWN}.")
    return ",".join(dict.fromkeys(names))


def _confine(capabilities: str, memory_bytes: int | None = None) -> dict[str, Any]:
    """Return the engine's options that confine the container of a guest."""
    if capabilities == DOCKERS_OWN:
        return container.bounds(memory_bytes)
    added = [name for name in capabilities.split(",") if name]
    return container.bounds(memory_bytes) | {"cap_drop": ["ALL"], "cap_add": added}


def image_guest(name: str, capabilities: str = "") -> Guest:
    """Return the image that ``TARGET_IMAGE=`` names, with these capabilities; it is pulled if it is not here.

    Its server is expected on the one port that the image exposes, or else on the port that ``$PORT`` names. Raise
    ``UsageError`` if the engine has no such image and cannot pull it, or if its server cannot be loaded here.
    """
    if _IMAGE.fullmatch(name) is None:
        raise UsageError(f"invalid TARGET_IMAGE={name or '(empty)'}: must be an image, such as registry/app:tag.")
    images = engine().images
    try:
        try:
            image = images.get(name)
        except ImageNotFound:
            image = images.pull(name)
    except APIError as error:
        raise UsageError(f"TARGET_IMAGE={name} is not available: {reason_of(error)}") from error
    if (port := _exposed_port(image)) is None:
        return Guest(image=name, port=PORT, capabilities=capabilities)
    if not container.can_enter_namespaces() and variables_of(image.attrs).get("PORT") != str(port):
        # Containers that join the host's network share its ports, so that ``$PORT`` has to give each another one.
        raise UsageError(
            f"TARGET_IMAGE={name} exposes port {port}, and to load it there takes root with nsenter. Run the command "
            f"as root, or, if its server listens on $PORT, add ENV PORT={port} to the image."
        )
    return Guest(image=name, port=port, capabilities=capabilities)


def _exposed_port(image: Image) -> int | None:
    """Return the one TCP port that an image exposes; ``None`` if there are several or none."""
    exposed = [port for port in image.attrs["Config"].get("ExposedPorts") or {} if port.endswith("/tcp")]
    return int(exposed[0].removesuffix("/tcp")) if len(exposed) == 1 else None


def guest_at(url: str, *, pid: int | None, container_name: str | None) -> Guest:
    """Return the server that is up at ``url``; ``PID=`` or ``CONTAINER=`` say whose CPU time to read.

    Raise ``UsageError`` if there is no such process or container.
    """
    if pid is not None and container_name is not None:
        raise UsageError(f"PID={pid} and CONTAINER={container_name} both name a server: leave one out.")
    meter = None
    if pid is not None:
        if not psutil.pid_exists(pid):
            raise UsageError(f"invalid PID={pid}: there is no such process.")
        meter = f"tree:{pid}"
    elif container_name is not None:
        meter = _meter_of(container_name)
    return Guest(url=url, meter=meter)


def how_to_pin(guest: Guest, cores: Cores) -> str | None:
    """Return how to keep a server that is already up off the load generator's cores.

    ``None`` if it may not use them, if there are no others, or if its processes are not known.
    """
    try:
        pids = metered_pids(guest.meter or "")
    except GONE:
        return None
    used = {core for pid in pids for core in _allowed_cores(pid)}
    if cores.shared or not used & set(cores.generator):
        return None
    allowed = ",".join(map(str, cores.server))
    commands = "; ".join(f"taskset -apc {allowed} {pid}" for pid in pids)
    return f"{guest.url} may use the load generator's cores. To pin it to those of servers: {commands}"


def _allowed_cores(pid: int) -> set[int]:
    try:
        return os.sched_getaffinity(pid)
    except OSError:  # it has ended since
        return set()


def started(
    guest: Guest, size: Size, *, cores: Sequence[int], inside: bool, publish: int | None
) -> AbstractContextManager[RunningServer]:
    """Start a container of a guest's image as ``container.started``; do nothing for a server that is already up.

    The container has the capabilities of the guest, and is ready once it answers anything at all. A ``FailedError``
    names ``TARGET_CAPS=`` if there may be too few of them.
    """
    if guest.image is None:
        return _already_up(guest)
    return _from_image(guest, guest.image, size, cores=cores, inside=inside, publish=publish)


@contextmanager
def _from_image(
    guest: Guest, image: str, size: Size, *, cores: Sequence[int], inside: bool, publish: int | None
) -> Iterator[RunningServer]:
    confine = functools.partial(_confine, guest.capabilities)
    traits = container.ImageTraits(port=guest.port, is_ready=answers, confine=confine)
    with ExitStack() as stack:
        with _naming_capabilities(guest):
            running = stack.enter_context(
                container.started(guest.name, image, size, cores=cores, inside=inside, publish=publish, traits=traits)
            )
        yield replace(running, wait_until_ready=_naming_capabilities(guest)(running.wait_until_ready))


@contextmanager
def _naming_capabilities(guest: Guest) -> Iterator[None]:
    """Add to a ``FailedError`` how to give a container of a guest the capabilities that it may lack."""
    try:
        yield
    except FailedError as error:
        if guest.capabilities == DOCKERS_OWN:
            raise
        raise FailedError(
            f"{error} It ran with {guest.capabilities or 'no'} capabilities; to give it Docker's: TARGET_CAPS=default."
        ) from error


@contextmanager
def _already_up(guest: Guest) -> Iterator[RunningServer]:
    assert guest.url is not None
    yield RunningServer(
        url=guest.url, client_prefix=(), cpu_meter=guest.meter, exit_reason=functools.partial(_why_gone, guest.meter)
    )


def _why_gone(meter: str | None) -> str | None:
    kind, _, rest = (meter or "").partition(":")
    if kind == "tree" and not psutil.pid_exists(int(rest)):
        return f"process {rest} has ended"
    if kind == "cgroup" and not all(Path(folder).exists() for folder in rest.split(",")):
        return "its container has ended"
    return None


def _meter_of(name: str) -> str:
    """Return the meter of a container's control group; ``UsageError`` unless it runs on this machine."""
    pid = _pid_of(name)
    try:
        return cgroup_meter(pid)
    except OSError as error:
        raise UsageError(f"invalid CONTAINER={name}: its process {pid} has ended, or is on another machine.") from error


def _pid_of(name: str) -> int:
    try:
        state = engine().containers.get(name).attrs["State"]
    except APIError as error:
        raise UsageError(f"invalid CONTAINER={name}: {reason_of(error)}") from error
    if not state["Running"]:
        raise UsageError(f"invalid CONTAINER={name}: it is not running.")
    pid: int = state["Pid"]
    return pid
