"""Running uv with the package indexes and certificates that are configured for pip, which uv does not read.

None of that configuration is ever written to the project.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from common.errors import FailedError

ERROR_LINES = 8

_SECTIONS = ("global", "install", ":env:")
"""The sections of pip's configuration that apply to installing; a later one overrides an earlier one."""

_OLDER_NAMES = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
"""uv's variables that have an older name, which is also accepted."""


def uv_environment(*, local: bool = True) -> dict[str, str]:
    """Return the environment to run uv in: this process's, completed by pip's configuration.

    Variables that are set for uv itself take precedence. If ``local`` is false, folders and ``file:`` addresses in
    pip's configuration are left out.
    """
    from_pip = as_uv_variables(pip_options() if local else without_local_paths(pip_options()))
    applicable = {name: value for name, value in from_pip.items() if _OLDER_NAMES.get(name, name) not in os.environ}
    return {**applicable, **os.environ}


def without_local_paths(options: Mapping[str, str]) -> dict[str, str]:
    """Return pip's options without indexes and links that are files of this machine, which exist nowhere else."""
    addresses = ("index-url", "extra-index-url", "find-links")
    return {
        name: " ".join(part for part in value.split() if _is_remote(part)) if name in addresses else value
        for name, value in options.items()
    }


def _is_remote(address: str) -> bool:
    return "://" in address and not address.startswith("file:")


@cache
def pip_options() -> Mapping[str, str]:
    """Return pip's options for installing, from its files and ``PIP_*`` variables; empty if pip is not installed."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return parse_options(result.stdout)


def parse_options(listing: str) -> dict[str, str]:
    """Return the options in the output of ``pip config list``; a later section overrides an earlier one."""
    by_section: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in by_section:
            by_section[section][option.replace("_", "-")] = ast.literal_eval(value)
    return {option: value for section in _SECTIONS for option, value in by_section[section].items()}


def as_uv_variables(options: Mapping[str, str]) -> dict[str, str]:
    """Return pip's options as environment variables of uv.

    Missing folders in ``find-links`` are left out, because uv fails on them where pip ignores them. pip takes the best
    version from all its indexes, so uv is configured to do the same if there are several.
    """
    links = [link for link in options.get("find-links", "").split() if "://" in link or Path(link).is_dir()]
    extra = options.get("extra-index-url", "").split()
    variables = {
        "UV_DEFAULT_INDEX": options.get("index-url", ""),
        "UV_INDEX": " ".join(extra),
        "UV_INDEX_STRATEGY": "unsafe-best-match" if extra else "",
        "UV_FIND_LINKS": ",".join(links),
        "UV_INSECURE_HOST": " ".join(options.get("trusted-host", "").split()),
        "SSL_CERT_FILE": options.get("cert", ""),
    }
    return {name: value for name, value in variables.items() if value}


def run_uv(*arguments: str, stdin: str = "", what: str, keep_open: tuple[int, ...] = (), local: bool = True) -> None:
    """Run uv; raise ``FailedError`` with the end of its output if it fails.

    ``what`` is the subject of the error message: what uv is to create. If ``local`` is false, indexes that are files of
    this machine are left out. uv inherits the file descriptors ``keep_open``: a lock on one of them is held for as long
    as uv runs, even if the caller is killed.
    """
    result = subprocess.run(
        [sys.executable, "-m", "uv", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=uv_environment(local=local),
        pass_fds=keep_open,
    )
    if result.returncode != 0:
        tail = "\n".join(result.stderr.strip().splitlines()[-ERROR_LINES:])
        raise FailedError(
            f"{what} could not be created: uv exited with status {result.returncode}. If it reached no package index, "
            f"set one in pip's configuration or in UV_DEFAULT_INDEX. The end of its output:\n{tail}"
        )
