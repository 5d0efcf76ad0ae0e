"""A running container reached through docker-proxy, the program that relays a published port."""

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from common.errors import UsageError
from common.host.network import HOST, free_port
from common.host.readiness import responds, wait_until
from common.host.supervisor import supervised
from common.project import ROOT
from common.runtimes.base import RunningServer

PROGRAM = "docker-proxy"
_WITH_DESCRIPTOR_3 = ("sh", "-c", 'exec "$0" "$@" 3>/dev/null')
"""docker-proxy reports to the engine on file descriptor 3, which therefore has to be open."""


def why_no_proxy() -> str | None:
    """Return the reason why docker-proxy cannot run here; ``None`` if it can."""
    return None if shutil.which(PROGRAM) else f"{PROGRAM} is not on PATH; it comes with the Docker engine"


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
        line = [*_WITH_DESCRIPTOR_3, PROGRAM, "-proto", "tcp", "-host-ip", HOST, "-host-port", str(port),
                "-container-ip", str(inner.hostname), "-container-port", str(inner.port)]  # fmt: skip
        with supervised(line, cwd=ROOT) as proxy:

            def exit_reason() -> str | None:
                return running.exit_reason() or proxy.exit_reason()

            wait_until(lambda: responds(url), exit_reason, name=PROGRAM)
            yield replace(running, url=url, client_prefix=(), exit_reason=exit_reason)
