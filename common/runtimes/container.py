"""The docker runtime: a stack in a container of its own, with limits on CPU time, cores and memory."""

import functools
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import psutil
from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import Container

from common.catalog.frameworks import App
from common.catalog.sizes import Size
from common.engine.build_context import PORT
from common.engine.client import engine, reason_of, variables_of
from common.engine.ownership import remove_container, remove_orphaned_containers, watched_containers
from common.errors import FailedError, UsageError
from common.host.meters import cgroup_folder, cgroup_meter, memory_kills
from common.host.network import HOST, check_port, free_port
from common.host.readiness import answers, responds, wait_until
from common.records.run import WorkerState
from common.runtimes.inspection import worker_states
from common.runtimes.running_server import RunningServer
from common.words import last_lines

KILLED = 137
"""The exit status of a process that ``SIGKILL`` ended (128 + 9)."""
TAIL_LINES = 10
SETTLE_S = 5
"""The time limit for the engine to notice that a container has exited."""
MAX_PIDS = 4096
"""Processes and threads of one container, far more than any server starts."""
MEMORY_SHARE = 0.5
"""The part of the machine's memory for a container that is given no limit of its own."""


def bounds(memory_bytes: int | None = None) -> dict[str, Any]:
    """Return the engine's options that keep a container from hurting the machine, with the memory limit asked for.

    They are generous: a server that behaves never meets them, so that they change no measurement.
    """
    if memory_bytes is None:
        memory_bytes = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * MEMORY_SHARE)
    return {"mem_limit": memory_bytes, "memswap_limit": memory_bytes, "pids_limit": MAX_PIDS}  # nothing is swapped out


def confine(memory_bytes: int | None = None) -> dict[str, Any]:
    """Return ``bounds``, and the options that take away the privileges that no container of ours needs."""
    return bounds(memory_bytes) | {
        "read_only": True,
        "tmpfs": {"/tmp": ""},  # noqa: S108 -- the container's own
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTraits:
    """The way in which the server in an image is started."""

    port: int = PORT
    """The container's port on which it listens; ``$PORT`` names it, too."""
    is_ready: Callable[[str], bool] = responds
    """Returns whether the server at a URL is up."""
    confine: Callable[[int | None], dict[str, Any]] = confine
    """Returns the engine's options that confine its container, given a memory limit in bytes."""
    command: tuple[str, ...] = ()
    """The command that starts it; empty for the image's own."""
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Environment variables in addition to the image's own."""


OURS = ImageTraits()
"""The traits of every image of this project."""


def traits_of(app: App) -> ImageTraits:
    """Return the traits of an image of this project whose framework's ``app`` is started."""
    return OURS if app.module is None else replace(OURS, command=("/app/start", app.module), is_ready=answers)


@contextmanager
def started(
    name: str,
    image_tag: str,
    size: Size,
    *,
    cores: Sequence[int],
    inside: bool = True,
    publish: int | None = None,
    traits: ImageTraits = OURS,
) -> Iterator[RunningServer]:
    """Start a server in a container and yield it as soon as its process runs; remove the container afterwards.

    ``name`` is the server's in messages. ``inside`` is for measuring: clients run in the container's network namespace
    if this user may enter it (root, with ``nsenter``), otherwise the container joins the host's network. Without it,
    clients reach the container's own address, or ``127.0.0.1:publish``, which goes through a proxy and is not for
    measuring. Raises ``UsageError`` if the image or the port is not available, and ``FailedError`` with the end of its
    log if the server exits at once.
    """
    remove_orphaned_containers()
    port = traits.port
    options = limits(size, cores, traits) | network(inside=inside, publish=publish, port=port)
    with watched_containers() as labels, created(image_tag, options, labels) as container:
        start(container, image_tag)
        pid, cpu_meter, memory = groups(container)
        exit_reason = functools.partial(how_it_ended, container, memory)
        url, probe, prefix = addresses(container, inside=inside, publish=publish, port=port)
        yield RunningServer(
            url=url,
            client_prefix=prefix,
            cpu_meter=cpu_meter,
            memory_meter=f"cgroup:{memory}",
            network_namespace=Path(f"/proc/{pid}/ns/net") if prefix else None,
            wait_until_ready=lambda: wait_until(
                lambda: traits.is_ready(probe),
                exit_reason,
                name=f"{name} in {image_tag}",
                output=lambda: _log(container),
            ),
            exit_reason=exit_reason,
            worker_states=lambda: _worker_states(pid),
            output=lambda: _log(container, tail="all"),
        )


def host_address() -> str:
    """Return the address of this machine on the engine's bridge, by which containers reach it.

    The interface is asked for it: an engine that has just been installed lists no gateway until it is restarted.
    ``UsageError`` if the bridge is not on this machine.
    """
    bridge = engine().networks.get("bridge").attrs["Options"]["com.docker.network.bridge.name"]
    for bound in psutil.net_if_addrs().get(bridge, ()):
        if bound.family is socket.AF_INET:
            return bound.address
    raise UsageError(
        f"the engine's bridge {bridge} has no IPv4 address on this machine, so that containers could not reach its "
        "PostgreSQL. Name one that they reach with DATABASE=postgresql://..., or use RUNTIME=process."
    )


def can_enter_namespaces() -> bool:
    """Return whether this user can run a client in a container's network namespace."""
    return os.geteuid() == 0 and shutil.which("nsenter") is not None


def limits(size: Size, cores: Sequence[int], traits: ImageTraits = OURS) -> dict[str, Any]:
    """Return the engine's options for a container's resources and privileges.

    The image's health check is off, because its CPU time would be measured as the server's.
    """
    return {
        **_quota(size),
        "cpuset_cpus": ",".join(str(core) for core in cores),
        **traits.confine(size.memory_bytes),
        "healthcheck": {"test": ["NONE"]},
        "environment": {"WORKERS": str(size.workers), "PORT": str(traits.port), **traits.variables},
        **({"command": list(traits.command)} if traits.command else {}),
    }


def _quota(size: Size) -> dict[str, int]:
    if size.period_s is None:
        return {"nano_cpus": round(size.vcpu * 1e9)}
    period_us = round(size.period_s * 1e6)
    return {"cpu_period": period_us, "cpu_quota": round(size.vcpu * period_us)}


def network(*, inside: bool, publish: int | None = None, port: int = PORT) -> dict[str, Any]:
    """Return the engine's options for how the container is reached, as ``started`` explains."""
    if publish is not None:
        return {"ports": {f"{port}/tcp": ("127.0.0.1", check_port(publish))}}
    if inside and not can_enter_namespaces():
        return {"network_mode": "host"}
    return {}


@contextmanager
def created(image_tag: str, options: dict[str, Any], labels: dict[str, str]) -> Iterator[Container]:
    """Create a container without starting it, and remove it afterwards; ``UsageError`` if it cannot be created."""
    if options.get("network_mode") == "host":
        # The server would otherwise listen on every address of the machine.
        options["environment"] |= {"HOST": HOST, "PORT": str(free_port())}
    try:
        container = engine().containers.create(image_tag, labels=labels, **options)
    except ImageNotFound as error:
        raise UsageError(f"the image {image_tag} is not here. Run: make build") from error
    except APIError as error:
        raise UsageError(f"no container of {image_tag} can be created: {reason_of(error)}") from error
    try:
        yield container
    finally:
        remove_container(container)


def start(container: Container, image_tag: str) -> None:
    """Start a container and return once its process runs; ``UsageError`` if the engine cannot start it."""
    try:
        container.start()
    except APIError as error:
        raise UsageError(f"{image_tag} cannot be started: {reason_of(error)}") from error


def groups(container: Container) -> tuple[int, str, Path]:
    """Return the PID of a container's server on this machine, its CPU meter, and its memory control group's folder."""
    pid: int = _running(container)["State"]["Pid"]
    try:
        return pid, cgroup_meter(pid), cgroup_folder(pid, "memory")
    except OSError as error:
        # No such process: either it has exited, which the engine notices later than we do and ``_running`` reports,
        # or the engine is on another machine. The SDK raises its timeouts as OSError.
        with suppress(OSError):
            container.wait(timeout=SETTLE_S)
        _running(container)
        raise UsageError(
            "the Docker engine is on another machine: its processes are not visible here. "
            "Use an engine on this machine, or RUNTIME=process."
        ) from error


def addresses(
    container: Container, *, inside: bool, publish: int | None = None, port: int = PORT
) -> tuple[str, str, tuple[str, ...]]:
    """Return a container's URL for clients, its URL for this process, and the prefix that puts clients next to it."""
    settings = _running(container)
    if settings["HostConfig"]["NetworkMode"] == "host":
        shared = f"http://127.0.0.1:{variables_of(settings)['PORT']}"
        return shared, shared, ()
    if publish is not None:
        return f"http://127.0.0.1:{publish}", f"http://127.0.0.1:{publish}", ()
    own = f"http://{settings['NetworkSettings']['Networks']['bridge']['IPAddress']}:{port}"
    if not inside:
        return own, own, ()
    return f"http://127.0.0.1:{port}", own, ("nsenter", "-t", str(settings["State"]["Pid"]), "-n")


def _running(container: Container) -> dict[str, Any]:
    """Return the engine's description of a running container; ``FailedError`` if it has exited."""
    container.reload()
    attributes: dict[str, Any] = container.attrs
    if not attributes["State"]["Running"]:
        raise FailedError(f"{attributes['Config']['Image']} ended at once: {_exit_status(container)}")
    return attributes


def how_it_ended(container: Container, memory: Path) -> str | None:
    """Return why a container ended; ``None`` while it runs.

    A worker that was killed for memory counts as an end, although its parent survives: the engine watches only that.
    """
    try:
        container.reload()
    except NotFound:
        return "its container was removed"
    state = container.attrs["State"]
    if state["OOMKilled"] or memory_kills(memory):
        limit = container.attrs["HostConfig"]["Memory"] / 1024**2
        return _with_log(container, f"killed for memory at its limit of {limit:.0f} MB")
    if state["Running"]:
        return None
    return _exit_status(container)


def _exit_status(container: Container) -> str:
    status = container.attrs["State"]["ExitCode"]
    return _with_log(container, f"exit status {status}{' (killed)' if status == KILLED else ''}")


def _with_log(container: Container, reason: str) -> str:
    tail = last_lines(_log(container), TAIL_LINES)
    return f"{reason}; the end of its log: {tail}" if tail else f"{reason}; its log is empty"


def _log(container: Container, tail: int | Literal["all"] = TAIL_LINES) -> str:
    """Return the end of what the container's process has printed, or everything."""
    return str(container.logs(tail=tail).decode(errors="replace"))


def _worker_states(pid: int) -> list[WorkerState]:
    """Ask the Python processes of a container with its own Python; none if this user may not enter its namespaces."""
    if not can_enter_namespaces():
        return []
    return worker_states(["nsenter", "-t", str(pid), "-m", "-p", "/venv/bin/python3"])
