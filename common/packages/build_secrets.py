"""The site's configuration that an image build needs to install packages: package indexes, CA bundle and proxies.

Indexes and CA bundle are passed as build secrets, proxies as predefined build arguments, so that no image keeps them.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from common.errors import UsageError
from common.packages.uv import pip_options, without_local_paths

_SETTINGS = ("index-url", "extra-index-url", "find-links", "trusted-host", "no-index", "proxy", "timeout", "retries")
_SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")


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
    """Return the CA bundle: ``CA_BUNDLE``, ``REQUESTS_CA_BUNDLE``, ``SSL_CERT_FILE`` or the system's, if any."""
    if (bundle := env.get("CA_BUNDLE")) and not Path(bundle).is_file():
        raise UsageError(f"invalid CA_BUNDLE={bundle}: must be a file of certificates in PEM format.")
    configured = (env.get(name, "") for name in ("CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"))
    return next((Path(path) for path in (*configured, *_SYSTEM_BUNDLES) if path and Path(path).is_file()), None)


def pip_config(options: Mapping[str, str]) -> str:
    """Return the text of a pip configuration file with the options that apply inside a build; empty if there are none.

    Paths and ``file:`` addresses are left out, because a build does not see this machine's files.
    """
    values_by_name = {name: without_local_paths(options).get(name, "").split() for name in _SETTINGS}
    lines = [f"{name} = " + "\n    ".join(values) for name, values in values_by_name.items() if values]
    return "\n".join(["[global]", *lines, ""]) if lines else ""
