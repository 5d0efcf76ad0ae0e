"""Every HTTP server set-up, with its pinned packages and its fixed command line.

All set-ups follow one policy: one worker per whole vCPU, 16 threads where a worker has threads, a keep-alive timeout
of 75 s (granian: 60 s, its maximum), uvloop under ASGI, no access log, and only warnings logged. Versions are pinned
here, so that the locks of all frameworks hold the same servers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from common.catalog.frameworks import Framework, Interface
from common.contract import MAX_DELAY_MS

KEEP_ALIVE_S = 75
THREADS = 16
WORKER_TIMEOUT_S = MAX_DELAY_MS // 1000 + 30
"""How long Gunicorn waits for a sign of life of a worker before it kills it.

A sync worker gives none while it handles a request, so Gunicorn's default of 30 s would kill it during a long sleep.
"""
GRACE_S = 5
"""How long a server that is asked to stop waits for requests in progress, which may be sleeps of a minute."""

_GUNICORN = "gunicorn==27.0.1"
_UVLOOP = "uvloop==0.23.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A named server set-up: the interfaces it serves, its packages, its behaviour and its command line."""

    name: str
    interfaces: frozenset[Interface]
    requirements: tuple[str, ...]
    loop_requirements: tuple[str, ...] = ()
    """Packages that it needs in addition under ASGI, where it runs an event loop."""
    line: str
    """The command line, with the fields ``{host}``, ``{port}``, ``{workers}``, ``{threads}``, ``{loop}``,
    ``{interface}`` and ``{target}``."""
    keep_alive: bool = True
    """Whether a connection serves more than one request."""
    concurrent: bool = True
    """Whether one worker answers a second request while a first one sleeps."""
    unavailable: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Images and runtimes on which it is not available, each with the reason."""

    def needs(self, interface: Interface) -> tuple[str, ...]:
        """Return the pinned packages needed to serve a framework with this interface."""
        return self.requirements + (self.loop_requirements if interface is Interface.ASGI else ())


_GUNICORN_LINE = (
    "gunicorn --bind={host}:{port} --workers={workers} "
    f"--keep-alive={KEEP_ALIVE_S} --log-level=warning --worker-tmp-dir=/dev/shm "
    f"--timeout={WORKER_TIMEOUT_S} --graceful-timeout={GRACE_S} --no-control-socket "
)

_ALL = (
    Server(
        name="gunicorn-gthread",
        interfaces=frozenset({Interface.WSGI}),
        requirements=(_GUNICORN,),
        line=_GUNICORN_LINE + "--worker-class=gthread --threads={threads} {target}",
    ),
    Server(
        name="gunicorn-sync",
        interfaces=frozenset({Interface.WSGI}),
        requirements=(_GUNICORN,),
        line=_GUNICORN_LINE + "--worker-class=sync {target}",
        keep_alive=False,
        concurrent=False,
    ),
    Server(
        name="gunicorn-gevent",
        interfaces=frozenset({Interface.WSGI}),
        requirements=(_GUNICORN, "gevent==26.9.0", "packaging==26.3"),  # packaging: required by gunicorn[gevent]
        unavailable={"alpine": "zope-interface, a dependency of gevent, has no wheel for musl"},
        line=_GUNICORN_LINE + "--worker-class=gevent {target}",
    ),
    Server(
        name="uvicorn",
        interfaces=frozenset({Interface.ASGI}),
        requirements=("uvicorn==0.54.0", "httptools==0.9.0"),
        loop_requirements=(_UVLOOP,),
        line=(
            "uvicorn --host={host} --port={port} --workers={workers} --loop=uvloop --http=httptools "
            f"--timeout-keep-alive={KEEP_ALIVE_S} --timeout-graceful-shutdown={GRACE_S} "
            "--no-access-log --log-level=warning {target}"
        ),
    ),
    Server(
        name="granian",
        interfaces=frozenset({Interface.WSGI, Interface.ASGI}),
        requirements=("granian==2.8.7",),
        loop_requirements=(_UVLOOP,),
        line=(
            "granian --interface={interface} --host={host} --port={port} --workers={workers} --loop={loop} "
            "--blocking-threads={threads} --http=1 --no-ws --http1-keep-alive "
            f"--workers-kill-timeout={GRACE_S} "
            "--http1-header-read-timeout=60000 "  # ms, the maximum; it also ends idle connections
            "--no-access-log --log-level=warning {target}"
        ),
    ),
    Server(name="native", interfaces=frozenset({Interface.NATIVE}), requirements=(), line=""),
)
SERVERS = {server.name: server for server in _ALL}

DEFAULTS = {Interface.WSGI: "gunicorn-gthread", Interface.ASGI: "uvicorn", Interface.NATIVE: "native"}


def command(framework: Framework, server: Server, *, host: str, port: int | str, workers: int | str) -> tuple[str, ...]:
    """Return the command line that serves ``framework``, to be run in its folder and its environment.

    ``port`` and ``workers`` may be shell variables such as ``$PORT``, for a script that sets them later.
    """
    line = framework.command or server.line
    threads = THREADS if framework.interface is Interface.WSGI else 1
    loop = "uvloop" if framework.interface is Interface.ASGI else "asyncio"
    values = {"host": host, "port": port, "workers": workers, "threads": threads, "loop": loop}
    return tuple(line.format(**values, interface=framework.interface, target=framework.target).split())
