"""The package indexes and certificates that a site has configured for pip, in uv's words: uv reads none of pip's.

Nothing of it is ever written to the project.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_SECTIONS = ("global", "install", ":env:")
"""Where pip keeps options, the later going first."""

_OLDER_NAMES = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}


def uv_environment(*, local: bool = True) -> dict[str, str]:
    """This process's environment for uv; what it sets for uv itself goes before what pip's configuration says.

    Without ``local``, the folders and ``file:`` addresses of pip's configuration are left out.
    """
    from_pip = translate(pip_options() if local else shared(pip_options()))
    kept = {name: value for name, value in from_pip.items() if _OLDER_NAMES.get(name, name) not in os.environ}
    return {**kept, **os.environ}


def shared(options: Mapping[str, str]) -> dict[str, str]:
    """Pip's options without the indexes and links that are files of this machine, which mean nothing elsewhere."""
    addresses = ("index-url", "extra-index-url", "find-links")
    return {
        name: " ".join(part for part in value.split() if _is_shared(part)) if name in addresses else value
        for name, value in options.items()
    }


def _is_shared(address: str) -> bool:
    return "://" in address and not address.startswith("file:")


@cache
def pip_options() -> Mapping[str, str]:
    """Pip's options for installing, by name, from its files and ``PIP_*``; empty where there is no pip."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return parse_options(done.stdout)


def parse_options(listing: str) -> dict[str, str]:
    """The options in what ``pip config list`` prints, those of a later section over those of an earlier one."""
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in found:
            found[section][option.replace("_", "-")] = ast.literal_eval(value)
    return {option: value for section in _SECTIONS for option, value in found[section].items()}


def translate(options: Mapping[str, str]) -> dict[str, str]:
    """Pip's options as uv's variables.

    Folders of ``find-links`` that are not there are left out, since uv stops at them where pip goes on. pip weighs all
    its indexes alike, so with more than one uv is told to do so, too.
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
