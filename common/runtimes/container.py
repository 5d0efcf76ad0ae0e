"""The docker runtime: a stack in a container of its own, with a quota, cores, and memory it may not exceed."""

import functools
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import Container

from common.catalog.sizes import Size
from common.engine.build_context import PORT
from common.engine.client import engine
from common.engine.ownership import remove_orphaned_containers, watched_containers
from common.errors import FailedError, UsageError
from common.host.cpu import cgroup_folder, cgroup_meter, memory_kills
from common.host.http_probe import responds
from common.host.ports import check_port, free_port
from common.host.waiting import wait_until
from common.runtimes.base import RunningServer

KILLED = 137
TAIL_LINES = 10
SETTLE_S = 5


class Named(Protocol):
    """What is served: a stack, or something else that has a name."""

    @property
    def name(self) -> str:
        """What messages call it."""


@contextmanager
def serve(
    stack: Named,
    image_tag: str,
    size: Size,
    *,
    cores: Sequence[int],
    inside: bool = True,
    publish: int | None = None,
) -> Iterator[RunningServer]:
    """A container of ``image_tag`` that answers; gone when the block is left, however it is left.

    ``inside`` puts clients beside the server, for measuring: in the container's network namespace where this user may
    enter it (root, with ``nsenter``), else the container on the host's network. Otherwise they reach the container's
    own address, or ``127.0.0.1:publish``, which goes through a proxy and is not for measuring. Raises ``UsageError``
    where the image or the port cannot be had, ``FailedError`` with the end of its log where it does not come up.
    """
    sweep()
    options = network(inside=inside, publish=publish)
    with watched_containers() as labels, created(image_tag, limits(size, cores) | options, labels) as container:
        start(container, image_tag)
        pid, memory = groups(container)
        ended = functools.partial(how_it_ended, container, memory)
        url, probe, prefix = addresses(container, inside=inside, publish=publish)
        wait_until(lambda: responds(probe), ended, what=f"{stack.name} in {image_tag}")
        yield RunningServer(
            url=url,
            client_prefix=prefix,
            cpu_meter=cgroup_meter(pid),
            memory_meter=f"cgroup:{memory}",
            exit_reason=ended,
        )


def sweep() -> None:
    """Remove every container of ours whose owner lives no more."""
    remove_orphaned_containers(engine())


def can_enter_namespaces() -> bool:
    """Whether this user can run a client in a container's network namespace."""
    return os.geteuid() == 0 and shutil.which("nsenter") is not None


def limits(size: Size, cores: Sequence[int]) -> dict[str, Any]:
    """What the container is given and denied; its health check is off, since it would be measured too."""
    return {
        **_quota(size),
        "cpuset_cpus": ",".join(str(core) for core in cores),
        "mem_limit": size.memory_bytes,
        "memswap_limit": size.memory_bytes,
        "healthcheck": {"test": ["NONE"]},
        "read_only": True,
        "tmpfs": {"/tmp": ""},  # noqa: S108 -- a container's own
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "environment": {"WORKERS": str(size.workers)},
    }


def _quota(size: Size) -> dict[str, int]:
    if size.period_s is None:
        return {"nano_cpus": round(size.vcpu * 1e9)}
    period_us = round(size.period_s * 1e6)
    return {"cpu_period": period_us, "cpu_quota": round(size.vcpu * period_us)}


def network(*, inside: bool, publish: int | None = None) -> dict[str, Any]:
    """How the container is reached, as ``serve`` explains."""
    if publish is not None:
        return {"ports": {f"{PORT}/tcp": ("127.0.0.1", check_port(publish))}}
    if inside and not can_enter_namespaces():
        return {"network_mode": "host"}
    return {}


@contextmanager
def created(image_tag: str, options: dict[str, Any], labels: dict[str, str]) -> Iterator[Container]:
    """A container that is not started yet; gone when the block is left. ``UsageError`` where it cannot be had."""
    if options.get("network_mode") == "host":
        options["environment"] |= {"PORT": str(free_port())}
    try:
        container = engine().containers.create(image_tag, labels=labels, **options)
    except ImageNotFound as error:
        raise UsageError(f"the image {image_tag} is not here. Run: make build") from error
    except APIError as error:
        raise UsageError(f"{image_tag} cannot be given this: {error.explanation}") from error
    try:
        yield container
    finally:
        _remove(container)


def _remove(container: Container) -> None:
    try:
        container.remove(force=True, v=True)
    except APIError as error:
        if error.status_code not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:  # gone, or going
            raise


def start(container: Container, image_tag: str) -> None:
    """Start it; back once its process runs. ``UsageError`` where the engine cannot."""
    try:
        container.start()
    except APIError as error:
        raise UsageError(f"{image_tag} cannot be started: {error.explanation}") from error


def groups(container: Container) -> tuple[int, Path]:
    """The server's process as this machine numbers it, and where its memory is accounted for."""
    pid: int = _running(container)["State"]["Pid"]
    try:
        return pid, cgroup_folder(pid, "memory")
    except OSError as error:
        with suppress(OSError):  # also what the SDK's timeouts are; the engine sees an end later than we do
            container.wait(timeout=SETTLE_S)
        _running(container)
        raise UsageError(
            "the Docker engine runs elsewhere: its processes are not among this machine's. "
            "Use an engine on this machine, or RUNTIME=process."
        ) from error


def addresses(container: Container, *, inside: bool, publish: int | None = None) -> tuple[str, str, tuple[str, ...]]:
    """Where clients find it, where this process does, and what puts a client's command line beside it."""
    settings = _running(container)
    if settings["HostConfig"]["NetworkMode"] == "host":
        port = dict(one.split("=", 1) for one in settings["Config"]["Env"])["PORT"]
        return f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}", ()
    if publish is not None:
        return f"http://127.0.0.1:{publish}", f"http://127.0.0.1:{publish}", ()
    own = f"http://{settings['NetworkSettings']['IPAddress']}:{PORT}"
    if not inside:
        return own, own, ()
    return f"http://127.0.0.1:{PORT}", own, ("nsenter", "-t", str(settings["State"]["Pid"]), "-n")


def _running(container: Container) -> dict[str, Any]:
    """What the engine says of a container that runs; ``FailedError`` where it does not."""
    container.reload()
    attributes: dict[str, Any] = container.attrs
    if not attributes["State"]["Running"]:
        raise FailedError(f"{attributes['Config']['Image']} ended at once: {_exit(container)}")
    return attributes


def how_it_ended(container: Container, memory: Path) -> str | None:
    """How it ended; ``None`` while it runs.

    A worker killed for memory is an end too: its parent lives on, and the engine tells only of the parent.
    """
    try:
        container.reload()
    except NotFound:
        return "its container was removed"
    state = container.attrs["State"]
    if state["OOMKilled"] or memory_kills(memory):
        limit = container.attrs["HostConfig"]["Memory"] / 1024**2
        return _with_log(container, f"killed for memory, of which it may have {limit:.0f} MB")
    if state["Running"]:
        return None
    return _exit(container)


def _exit(container: Container) -> str:
    status = container.attrs["State"]["ExitCode"]
    return _with_log(container, f"exit status {status}{' (killed)' if status == KILLED else ''}")


def _with_log(container: Container, how: str) -> str:
    tail = container.logs(tail=TAIL_LINES).decode(errors="replace").strip()
    return f"{how}; the end of its log:\n{tail}" if tail else f"{how}; its log is empty"
