"""A local container registry: the program of the Linux distribution, on a free port of a local address."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import UsageError
from common.host.network import HOST
from common.host.readiness import wait_until
from common.host.supervisor import Program, supervised

PROGRAM = "docker-registry"


def require_program() -> str:
    """Return the path of the registry's program; raise ``UsageError`` that says how to install it."""
    if (program := shutil.which(PROGRAM)) is None:
        raise UsageError(f"{PROGRAM} is not on PATH. Run: apt-get install {PROGRAM}; or name a registry with REGISTRY=")
    return program


@contextmanager
def local_registry(folder: Path, *, host: str = HOST, htpasswd: Path | None = None) -> Iterator[str]:
    """Run a registry that stores its content in ``folder``, and yield its ``HOST:PORT``.

    Two registries may share a folder if each has its own ``host``. With an ``htpasswd`` file (bcrypt), the registry
    asks for one of the logins in it.
    """
    program = require_program()
    config = folder / f"config-{host}.json"
    config.write_text(json.dumps(_config(host, folder / "storage", htpasswd)))
    with supervised([program, "serve", str(config)], cwd=folder, env=_environ()) as registry:
        wait_until(
            lambda: _address(registry, host) is not None,
            registry.exit_reason,
            name=PROGRAM,
            output=registry.output,
        )
        yield _address(registry, host) or ""


def _config(host: str, storage: Path, htpasswd: Path | None) -> dict[str, object]:
    """Return the configuration, in JSON, which is YAML. The level ``info`` is needed for the line with the port."""
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(storage)}},
        "http": {"addr": f"{host}:0"},
    }
    if htpasswd is not None:
        config["auth"] = {"htpasswd": {"realm": "local", "path": str(htpasswd)}}
    return config


def _environ() -> dict[str, str]:
    """Return our environment without the variables that override the registry's configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("REGISTRY", "OTEL_"))}


def _address(registry: Program, host: str) -> str | None:
    """Return the address that the registry has logged; ``None`` until it listens."""
    match = re.search(rf"listening on ({re.escape(host)}:\d+)", registry.output())
    return match[1] if match else None
