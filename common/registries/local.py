"""A container registry of our own: the distribution's, on a free loopback port, with a folder that goes with it."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import UsageError
from common.host.ports import HOST
from common.host.supervisor import Program, supervised
from common.host.waiting import wait_until

PROGRAM = "docker-registry"


def require_program() -> str:
    """The registry's path; ``UsageError`` says how to get it."""
    if (program := shutil.which(PROGRAM)) is None:
        raise UsageError(
            f"there is no {PROGRAM} on PATH. Run: apt-get install {PROGRAM} (Debian); or name a registry: REGISTRY="
        )
    return program


@contextmanager
def local_registry(folder: Path, *, host: str = HOST, htpasswd: Path | None = None) -> Iterator[str]:
    """``HOST:PORT`` of a registry that keeps what it is given in ``folder``; it is gone afterwards.

    Two of them may keep it in the same one, each on an address of its own.

    It asks for a name and a password where ``htpasswd`` holds some (bcrypt).
    """
    program = require_program()
    config = folder / f"config-{host}.json"
    config.write_text(json.dumps(_config(host, folder / "storage", htpasswd)))
    with supervised([program, "serve", str(config)], cwd=folder, env=_environ()) as registry:
        wait_until(lambda: _address(registry, host) is not None, registry.exit_reason, what=PROGRAM)
        yield _address(registry, host) or ""


def _config(host: str, storage: Path, htpasswd: Path | None) -> dict[str, object]:
    """Its configuration, in the JSON that is YAML too; it says where it listens at the level ``info``."""
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
    """Ours without ``REGISTRY_...``, each of which would change its configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("REGISTRY", "OTEL_"))}


def _address(registry: Program, host: str) -> str | None:
    """Where it listens, as it says itself once it does: it was told to take any free port."""
    found = re.search(rf"listening on ({re.escape(host)}:\d+)", registry.output())
    return found[1] if found else None
