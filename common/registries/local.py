"""A container registry of our own: the distribution's, on a free loopback port, with a folder that goes with it."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from common.errors import UsageError
from common.host.ports import HOST
from common.host.supervisor import guarded, tail
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
    cores = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryFile("w+") as log,
        guarded([program, "serve", str(config)], cores=cores, cwd=folder, env=_environ(), log=log) as guard,
    ):

        def ended() -> str | None:
            return None if guard.poll() is None else f"exit status {guard.returncode}. {tail(log)}"

        wait_until(lambda: _address(log, host) is not None, ended, what=PROGRAM)
        yield _address(log, host) or ""


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


def _address(log: IO[str], host: str) -> str | None:
    """Where it listens, as it says itself once it does: it was told to take any free port."""
    log.seek(0)
    found = re.search(rf"listening on ({re.escape(host)}:\d+)", log.read())
    return found[1] if found else None
