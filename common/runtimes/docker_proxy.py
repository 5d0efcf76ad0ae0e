"""A running container seen through docker-proxy, the program that stands behind a published port."""

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from common.errors import UsageError
from common.host.http_probe import responds
from common.host.ports import HOST, free_port
from common.host.supervisor import supervised
from common.host.waiting import wait_until
from common.project import ROOT
from common.runtimes.base import RunningServer

PROGRAM = "docker-proxy"
_WITH_REPORT = ("sh", "-c", 'exec "$0" "$@" 3>/dev/null')
"""It reports to its engine on file descriptor 3, and closes that whatever it is."""


def why_no_proxy() -> str | None:
    """Why there can be no relay here; ``None`` where there can."""
    return None if shutil.which(PROGRAM) else f"{PROGRAM} is not on PATH; it comes with the Docker engine"


@contextmanager
def proxied(serving: AbstractContextManager[RunningServer]) -> Iterator[RunningServer]:
    """What ``serving`` gives, behind docker-proxy on a port of this machine.

    It is started by us, for an engine may run without it. It may use any core, as it does behind an engine.
    """
    if (why := why_no_proxy()) is not None:
        raise UsageError(f"{why}.")
    with serving as running:
        inner, port = urlsplit(running.url), free_port()
        url = f"http://{HOST}:{port}"
        line = [*_WITH_REPORT, PROGRAM, "-proto", "tcp", "-host-ip", HOST, "-host-port", str(port),
                "-container-ip", str(inner.hostname), "-container-port", str(inner.port)]  # fmt: skip
        with supervised(line, cwd=ROOT) as proxy:

            def ended() -> str | None:
                return running.exit_reason() or proxy.exit_reason()

            wait_until(lambda: responds(url), ended, what=PROGRAM)
            yield replace(running, url=url, client_prefix=(), exit_reason=ended)
