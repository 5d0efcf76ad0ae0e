"""The surroundings of a server: neighbours that burn CPU on its cores, and docker-proxy in front of it.

A neighbour is a container whose share of the cores equals the server's, so that it takes time from the server;
docker-proxy is the program that relays a published port.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.stacks import images
from common.engine.client import find_image
from common.engine.ownership import watched_containers
from common.errors import UsageError
from common.host.network import HOST, free_port
from common.host.readiness import responds, wait_until
from common.host.supervisor import supervised
from common.project import ROOT
from common.runtimes import container
from common.runtimes.running_server import RunningServer

NOBODY = "65534:65534"
PROXY = "docker-proxy"
_WITH_DESCRIPTOR_3 = ("sh", "-c", 'exec "$0" "$@" 3>/dev/null')
"""docker-proxy reports to the engine on file descriptor 3, which therefore has to be open."""
_BUSY_LOOP = ("python3", "-c", "while True: pass")


@contextmanager
def neighbours(count: int, cores: Sequence[int]) -> Iterator[None]:
    """Run ``count`` neighbours while the block runs; ``UsageError`` if the slim base image is missing or fails."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(_neighbour(cores))
        yield


@contextmanager
def _neighbour(cores: Sequence[int]) -> Iterator[None]:
    base = images()["slim"].base(DEFAULT_PYTHON)
    if find_image(base) is None:
        raise UsageError(f"a neighbour runs on {base}, which is not here. Run: make bases, or docker pull {base}")
    options = {
        "command": list(_BUSY_LOOP),
        "cpuset_cpus": ",".join(map(str, cores)),
        "network_mode": "none",
        "user": NOBODY,
        **container.confine(),
    }
    with watched_containers() as labels, container.created(base, options, labels) as neighbour:
        container.start(neighbour, base)
        yield


def why_no_proxy() -> str | None:
    """Return the reason why docker-proxy cannot run here; ``None`` if it can."""
    return None if shutil.which(PROXY) else f"{PROXY} is not on PATH; it comes with the Docker engine"


@contextmanager
def proxied(serving: AbstractContextManager[RunningServer]) -> Iterator[RunningServer]:
    """Put the server of ``serving`` behind docker-proxy on a port of this machine.

    We start docker-proxy ourselves, because engines can be configured without it. It may use any core, as an engine's
    own does.
    """
    if (why := why_no_proxy()) is not None:
        raise UsageError(why)
    with serving as running:
        inner, port = urlsplit(running.url), free_port()
        url = f"http://{HOST}:{port}"
        line = [*_WITH_DESCRIPTOR_3, PROXY, "-proto", "tcp", "-host-ip", HOST, "-host-port", str(port),
                "-container-ip", str(inner.hostname), "-container-port", str(inner.port)]  # fmt: skip
        with supervised(line, cwd=ROOT) as proxy:

            def exit_reason() -> str | None:
                return running.exit_reason() or proxy.exit_reason()

            wait_until(lambda: responds(url), exit_reason, name=PROXY, output=proxy.output)
            yield replace(running, url=url, client_prefix=(), exit_reason=exit_reason)
