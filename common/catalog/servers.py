"""Every HTTP server set-up, with its pinned packages and its fixed command line.

All set-ups follow one policy: one worker per whole vCPU, 16 threads where a worker has threads, a keep-alive timeout
of 75 s (granian: 60 s, its maximum), uvloop under ASGI, no access log, and only warnings logged. Where a server cannot
follow it, its entry says so. docs/servers.md has each server's own defaults beside what is set here. Versions are
pinned here, so that the locks of all frameworks hold the same servers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from common.catalog.frameworks import Framework, Interface
from common.contract import MAX_DELAY_MS
from common.words import without_version

KEEP_ALIVE_S = 75
THREADS = 16
BACKLOG = 2048
"""The connections that may wait to be accepted: Gunicorn's and Uvicorn's default.

It is set where the default is so short that connections opened at once find it full: these wait for a second or more.
"""
OPTIONS_SINCE = {"--no-control-socket": "25.1"}
"""Options of the command lines here that older versions of their server do not have, with the first that does."""
WORKER_TIMEOUT_S = MAX_DELAY_MS // 1000 + 30
"""The time without a sign of life after which Gunicorn kills a worker.

A sync worker gives none while it handles a request, so Gunicorn's default of 30 s would kill it during a long sleep.
"""
GRACE_S = 5
"""The time that a stopping server leaves to requests in progress, which may be sleeps of a minute."""

ON_A_LOOP = (Interface.ASGI, Interface.RSGI)
"""The interfaces whose servers run an event loop."""

_GUNICORN = "gunicorn==27.0.1"
_UVICORN = "uvicorn==0.54.0"
_HTTPTOOLS = "httptools==0.9.0"
_UVLOOP = "uvloop==0.23.0"
_NO_WHEEL_FOR_PYPY = "{} has no wheel for PyPy 8"
_NO_ZOPE_INTERFACE = "zope-interface, a dependency of {}, has no wheel for musl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A named server set-up: the interfaces it serves, its packages, its behaviour and its command line."""

    name: str
    interfaces: frozenset[Interface]
    requirements: tuple[str, ...]
    loop_requirements: tuple[str, ...] = ()
    """Packages that it needs in addition under ASGI and RSGI, where it runs an event loop."""
    line: str
    """The command line, with the fields ``{host}``, ``{port}``, ``{workers}``, ``{threads}``, ``{loop}``,
    ``{interface}`` and ``{target}``."""
    keep_alive: bool = True
    """Whether a connection serves more than one request."""
    concurrent: bool = True
    """Whether one worker answers a second request while a first one sleeps."""
    processes: bool = True
    """Whether it can run several worker processes."""
    unavailable: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Images and runtimes on which it is not available, and ``pypy``, each with the reason."""

    @property
    def kind(self) -> str:
        """Its name without the version that ``SERVER=NAME@VERSION`` asks for."""
        return without_version(self.name)

    def needs(self, interface: Interface) -> tuple[str, ...]:
        """Return the pinned packages needed to serve a framework with this interface."""
        return self.requirements + (self.loop_requirements if interface in ON_A_LOOP else ())


_GUNICORN_LINE = (
    "gunicorn --bind={host}:{port} --workers={workers} "
    f"--keep-alive={KEEP_ALIVE_S} --log-level=warning --worker-tmp-dir=/dev/shm "
    f"--timeout={WORKER_TIMEOUT_S} --graceful-timeout={GRACE_S} --no-control-socket "
)

_UVICORN_LINE = (
    "uvicorn --host={{host}} --port={{port}} --workers={{workers}} --loop={loop} --http={http} "
    f"--timeout-keep-alive={KEEP_ALIVE_S} --timeout-graceful-shutdown={GRACE_S} "
    "--no-access-log --log-level=warning "
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
        unavailable={"alpine": _NO_ZOPE_INTERFACE.format("gevent"), "pypy": _NO_WHEEL_FOR_PYPY.format("gevent")},
        line=_GUNICORN_LINE + "--worker-class=gevent {target}",
    ),
    Server(
        name="waitress",
        interfaces=frozenset({Interface.WSGI}),
        requirements=("waitress==3.0.2",),
        processes=False,
        line=(
            "waitress-serve --host={host} --port={port} --threads={threads} "
            f"--channel-timeout={KEEP_ALIVE_S} "  # it has no other keep-alive timeout, and no graceful one
            "{target}"
        ),
    ),
    Server(
        name="cheroot",
        interfaces=frozenset({Interface.WSGI}),
        requirements=("cheroot==11.1.2",),
        processes=False,
        # It keeps ten idle connections at most (keep_alive_conn_limit), which has no option.
        line=(
            "cheroot --bind={host}:{port} --threads={threads} --max-threads={threads} "
            f"--timeout={KEEP_ALIVE_S} --shutdown-timeout={GRACE_S} --request-queue-size={BACKLOG} "
            "{target}"
        ),
    ),
    Server(
        name="uwsgi",
        interfaces=frozenset({Interface.WSGI}),
        requirements=("pyuwsgi==2.0.30.post1",),
        unavailable={"pypy": _NO_WHEEL_FOR_PYPY.format("pyuwsgi")},
        # Its --http11-socket keeps connections, but also those that a client asks to close, so it does not conform.
        keep_alive=False,
        line=(
            "uwsgi --http-socket={host}:{port} --master --processes={workers} --threads={threads} --die-on-term "
            f"--need-app --disable-logging --worker-reload-mercy={GRACE_S} "
            f"--socket-timeout={KEEP_ALIVE_S} --buffer-size=32768 --add-header=Connection:close "
            "--module={target}"
        ),
    ),
    Server(
        name="uvicorn",
        interfaces=frozenset({Interface.ASGI}),
        requirements=(_UVICORN, _HTTPTOOLS),
        unavailable={"pypy": _NO_WHEEL_FOR_PYPY.format("httptools")},
        loop_requirements=(_UVLOOP,),
        line=_UVICORN_LINE.format(loop="uvloop", http="httptools") + "{target}",
    ),
    Server(
        name="uvicorn-h11",
        interfaces=frozenset({Interface.ASGI}),
        requirements=(_UVICORN,),  # all that plain "pip install uvicorn" installs
        line=_UVICORN_LINE.format(loop="asyncio", http="h11") + "{target}",
    ),
    Server(
        name="uvicorn-worker",
        interfaces=frozenset({Interface.ASGI}),
        requirements=(_GUNICORN, _UVICORN, _HTTPTOOLS, "uvicorn-worker==0.4.0"),
        unavailable={"pypy": _NO_WHEEL_FOR_PYPY.format("httptools")},
        loop_requirements=(_UVLOOP,),
        line=_GUNICORN_LINE + "--worker-class=uvicorn_worker.UvicornWorker {target}",
    ),
    Server(
        name="gunicorn-asgi",
        interfaces=frozenset({Interface.ASGI}),
        requirements=(_GUNICORN,),
        unavailable={"pypy": _NO_WHEEL_FOR_PYPY.format("uvloop")},
        loop_requirements=(_UVLOOP,),
        line=_GUNICORN_LINE + "--worker-class=asgi --asgi-loop=uvloop {target}",
    ),
    Server(
        name="hypercorn",
        interfaces=frozenset({Interface.ASGI}),
        requirements=("hypercorn==0.18.0",),
        loop_requirements=(_UVLOOP,),
        unavailable={"pypy": _NO_WHEEL_FOR_PYPY.format("uvloop")},
        # It closes a connection after 1,000 requests (keep_alive_max_requests), which has no option.
        line=(
            "hypercorn --bind={host}:{port} --workers={workers} --worker-class=uvloop "
            f"--keep-alive={KEEP_ALIVE_S} --graceful-timeout={GRACE_S} --backlog={BACKLOG} --log-level=warning "
            "{target}"
        ),
    ),
    Server(
        name="daphne",
        interfaces=frozenset({Interface.ASGI}),
        requirements=("daphne==4.2.3",),
        processes=False,
        unavailable={"alpine": _NO_ZOPE_INTERFACE.format("daphne"), "pypy": _NO_WHEEL_FOR_PYPY.format("autobahn")},
        # Twisted has its own HTTP parser and runs on asyncio's loop; nothing ends an idle connection.
        line=f"daphne --endpoint=tcp:{{port}}:interface={{host}}:backlog={BACKLOG} --verbosity=0 {{target}}",
    ),
    Server(
        name="granian",
        interfaces=frozenset({Interface.WSGI, Interface.ASGI, Interface.RSGI}),
        requirements=("granian==2.8.7",),
        unavailable={"pypy": _NO_WHEEL_FOR_PYPY.format("granian")},
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

DEFAULTS = {
    Interface.WSGI: "gunicorn-gthread",
    Interface.ASGI: "uvicorn",
    Interface.RSGI: "granian",
    Interface.NATIVE: "native",
}


def command(
    framework: Framework,
    server: Server,
    *,
    host: str,
    port: int | str,
    workers: int | str,
    module: str | None = None,
) -> tuple[str, ...]:
    """Return the command line that serves ``framework``, to be run in its folder and its environment.

    ``module`` is the one to load, by default that of the framework's target. ``port``, ``workers`` and ``module`` may
    be shell variables such as ``$PORT``, for a script that sets them later.
    """
    usual, _, attribute = framework.target.partition(":")
    module = module or usual
    line = framework.command or server.line
    threads = THREADS if framework.interface is Interface.WSGI else 1
    loop = "uvloop" if framework.interface in ON_A_LOOP else "asyncio"
    values = {"host": host, "port": port, "workers": workers, "threads": threads, "loop": loop}
    loaded = {"interface": framework.interface, "module": module, "target": f"{module}:{attribute}"}
    return tuple(line.format(**values, **loaded).split())
