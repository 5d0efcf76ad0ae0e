"""The addresses of this machine, and the question before a server elsewhere is sent requests."""

import socket
from ipaddress import ip_address

import psutil

from common.errors import UsageError


def require_consent(host: str, *, url: str, foreign_url: bool) -> None:
    """Raise ``UsageError`` if ``host``, which ``url`` names, is not this machine and ``FOREIGN_URL=yes`` is not given.

    A name is this machine's if all its addresses are.
    """
    if foreign_url:
        return
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError) as error:  # the latter for a name that cannot be one of a host
        raise UsageError(
            f"URL={url} cannot be resolved: {getattr(error, 'strerror', None) or error}. Use a name that resolves."
        ) from error
    if foreign := sorted(address for address in found if not _is_own(address)):
        shown = host if foreign == [host] else f"{host} ({', '.join(foreign)})"
        raise UsageError(
            f"URL={url} is a server elsewhere: {shown} is not an address of this machine. If you may load that server, "
            "add FOREIGN_URL=yes."
        )


def _is_own(address: str) -> bool:
    """Return whether an IP address is loopback, unspecified, or one of this machine's own."""
    parsed = ip_address(address)
    own = {bound.address.partition("%")[0] for device in psutil.net_if_addrs().values() for bound in device}
    return parsed.is_loopback or parsed.is_unspecified or address.partition("%")[0] in own
