"""The package indexes, certificates and proxies of this site, as configured for pip, for uv and for image builds.

uv does not read pip's configuration. Builds receive indexes and CA bundle as secrets and proxies as predefined build
arguments, so that no image keeps them. None of it is ever written to the project.
"""

import ast
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from common.errors import FailedError, UsageError
from common.words import last_lines

ERROR_LINES = 8

_SECTIONS = ("global", "install", ":env:")
"""The sections of pip's configuration that apply to installing; a later one overrides an earlier one."""

_OTHER_NAMES = {
    "UV_DEFAULT_INDEX": "UV_INDEX_URL",
    "UV_INDEX": "UV_EXTRA_INDEX_URL",
    "HTTP_PROXY": "http_proxy",
    "HTTPS_PROXY": "https_proxy",
}
"""uv's variables that have another name, which is also accepted."""
_SETTINGS = ("index-url", "extra-index-url", "find-links", "trusted-host", "no-index", "proxy", "timeout", "retries")
_SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")


def uv_environment(*, local: bool = True) -> dict[str, str]:
    """Return the environment to run uv in: this process's, completed by pip's configuration.

    Variables that are set for uv itself take precedence. If ``local`` is false, folders and ``file:`` addresses in
    pip's configuration are left out.
    """
    from_pip = as_uv_variables(pip_options() if local else without_local_paths(pip_options()))
    applicable = {name: value for name, value in from_pip.items() if _OTHER_NAMES.get(name, name) not in os.environ}
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
    """Return the options in the output of ``pip config list``; a later section overrides an earlier one.

    ``~`` in the path of ``cert`` is expanded, as pip does.
    """
    by_section: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in by_section:
            by_section[section][option.replace("_", "-")] = ast.literal_eval(value)
    options = {option: value for section in _SECTIONS for option, value in by_section[section].items()}
    if "cert" in options:
        options["cert"] = _expanded(options["cert"])
    return options


def _expanded(path: str) -> str:
    return os.path.expanduser(path)  # noqa: PTH111 -- keeps an unknown user


def as_uv_variables(options: Mapping[str, str]) -> dict[str, str]:
    """Return pip's options as environment variables of uv.

    Missing folders in ``find-links`` are left out, because uv fails on them where pip ignores them. pip takes the best
    version from all its indexes, so uv is configured to do the same if there are several.
    """
    links = [_expanded(link) for link in options.get("find-links", "").split()]
    extra = options.get("extra-index-url", "").split()
    variables = {
        "UV_DEFAULT_INDEX": options.get("index-url", ""),
        "UV_INDEX": " ".join(extra),
        "UV_INDEX_STRATEGY": "unsafe-best-match" if extra else "",
        "UV_FIND_LINKS": ",".join(link for link in links if "://" in link or Path(link).is_dir()),
        "UV_INSECURE_HOST": " ".join(options.get("trusted-host", "").split()),
        "SSL_CERT_FILE": options.get("cert", ""),
        "HTTP_PROXY": options.get("proxy", ""),
        "HTTPS_PROXY": options.get("proxy", ""),
    }
    return {name: value for name, value in variables.items() if value}


def run_uv(*arguments: str, stdin: str = "", what: str, keep_open: tuple[int, ...] = (), local: bool = True) -> str:
    """Run uv and return what it reports; raise ``FailedError`` with the end of that if it fails.

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
        raise FailedError(
            f"{what} could not be created: uv exited with status {result.returncode}. If it reached no package index, "
            "set one in pip's configuration or in UV_DEFAULT_INDEX. The end of its output: "
            f"{last_lines(result.stderr, ERROR_LINES)}"
        )
    return result.stderr


def secret_arguments(folder: Path) -> Iterator[str]:
    """Yield the ``--secret`` arguments of a build; pip's configuration is written to ``folder``, for this user only."""
    if (bundle := ca_bundle()) is not None:
        yield f"--secret=id=ca,src={bundle}"
    if config := pip_config(pip_options()):
        file = folder / "pip.conf"
        file.touch(mode=0o600)
        file.write_text(config)
        yield f"--secret=id=pipconf,src={file}"


def proxy_arguments(env: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yield a ``--build-arg`` for each proxy variable that is set.

    Only the name is passed, because a proxy's address may hold credentials; Docker's client reads the value itself.
    """
    for name in (spelling for variable in _PROXIES for spelling in (variable, variable.upper())):
        if env.get(name):
            yield f"--build-arg={name}"


def ca_bundle(env: Mapping[str, str] = os.environ) -> Path | None:
    """Return the first of ``CA_BUNDLE``, ``REQUESTS_CA_BUNDLE``, ``SSL_CERT_FILE``, pip's ``cert`` and the system's.

    Those that do not exist are passed over, but for ``CA_BUNDLE``. ``None`` if there are none. Raise ``UsageError`` if
    the chosen file does not hold certificates.
    """
    configured = {name: env.get(name, "") for name in ("CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")}
    configured["cert"] = pip_options().get("cert", "")
    for name, path in configured.items():
        if path and (name == "CA_BUNDLE" or Path(path).is_file()):
            if not _holds_certificates(path):
                of_pip = " in pip's configuration" if name == "cert" else ""
                raise UsageError(f"invalid {name}={path}{of_pip}: must be a file of certificates in PEM format.")
            return Path(path)
    return next((Path(path) for path in _SYSTEM_BUNDLES if Path(path).is_file()), None)


def _holds_certificates(path: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:  # of which SSLError is a kind
        return False
    return True


def pip_config(options: Mapping[str, str]) -> str:
    """Return the text of a pip configuration file with the options that apply inside a build; empty if there are none.

    Paths and ``file:`` addresses are left out, because a build does not see this machine's files.
    """
    values_by_name = {name: without_local_paths(options).get(name, "").split() for name in _SETTINGS}
    lines = [f"{name} = " + "\n    ".join(values) for name, values in values_by_name.items() if values]
    return "\n".join(["[global]", *lines, ""]) if lines else ""
