"""What a build needs of its site to install packages: package indexes, a CA bundle, proxies.

A build gets the first two as secrets and the last as predefined build arguments, so that an image keeps none of them.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from common.errors import UsageError
from common.packages.indexes import pip_options, shared

_SETTINGS = ("index-url", "extra-index-url", "find-links", "trusted-host", "no-index", "proxy", "timeout", "retries")
_SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")


def secret_arguments(folder: Path) -> Iterator[str]:
    """The ``--secret`` arguments of a build; what has to be written goes into ``folder``, for this user's eyes only."""
    if (bundle := ca_bundle()) is not None:
        yield f"--secret=id=ca,src={bundle}"
    if config := pip_config(pip_options()):
        file = folder / "pip.conf"
        file.touch(mode=0o600)
        file.write_text(config)
        yield f"--secret=id=pipconf,src={file}"


def proxy_arguments(env: Mapping[str, str] = os.environ) -> Iterator[str]:
    """The ``--build-arg`` arguments for the proxies that are set, by name only: a client takes the values itself."""
    for name in (spelling for lower in _PROXIES for spelling in (lower, lower.upper())):
        if env.get(name):
            yield f"--build-arg={name}"


def ca_bundle(env: Mapping[str, str] = os.environ) -> Path | None:
    """The file of certificates to trust: ``CA_BUNDLE``, ``REQUESTS_CA_BUNDLE``, ``SSL_CERT_FILE``, or the system's."""
    if (named := env.get("CA_BUNDLE")) and not Path(named).is_file():
        raise UsageError(f"CA_BUNDLE={named} is no file. Accepted: a file of certificates in PEM format.")
    variables = (env.get(name, "") for name in ("CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"))
    return next((Path(path) for path in (*variables, *_SYSTEM_BUNDLES) if path and Path(path).is_file()), None)


def pip_config(options: Mapping[str, str]) -> str:
    """A pip configuration file of those options that mean something inside a build; empty where there are none.

    Paths and ``file:`` addresses are left out: a build sees none of this machine's files.
    """
    parts = {name: shared(options).get(name, "").split() for name in _SETTINGS}
    lines = [f"{name} = " + "\n    ".join(values) for name, values in parts.items() if values]
    return "\n".join(["[global]", *lines, ""]) if lines else ""
