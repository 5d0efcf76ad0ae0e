"""The address of the stack under test, as a user gives it with ``URL=``."""

import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from common.errors import UsageError

ACCEPTED = "Accepted: http://HOST:PORT, such as http://127.0.0.1:8000"
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The host and port of a plain HTTP server."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL to which paths are appended, without a slash at the end."""
        return f"http://{self.authority}"

    @property
    def authority(self) -> str:
        """The value of a ``Host`` header."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> "Endpoint":
        """Return the endpoint that ``URL=`` names, or raise ``UsageError``."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"invalid URL={url}: {error}. {ACCEPTED}.") from error
        if (reason := _refusal(parts)) is not None:
            raise UsageError(f"invalid URL={url}: {reason}. {ACCEPTED}.")
        return cls(host=parts.hostname or "", port=80 if port is None else port)

    def reach(self) -> None:
        """Open a connection and close it again; raise ``UsageError`` if that fails."""
        try:
            socket.create_connection((self.host, self.port), timeout=CONNECT_TIMEOUT_S).close()
        except (OSError, UnicodeError) as error:  # the latter for a name that cannot be one of a host
            raise UsageError(
                f"URL={self.url} cannot be reached: {getattr(error, 'strerror', None) or error}. "
                "It must be the address of a running server; make serve FRAMEWORK=... starts one and prints it."
            ) from error


def _refusal(parts: SplitResult) -> str | None:
    """Return why the suite cannot use a URL, or ``None`` if it can."""
    if parts.scheme == "https":
        return "https is not supported, because the suite checks the bytes of plain HTTP"
    if parts.scheme != "http":
        return "the scheme is not http"
    if not parts.hostname:
        return "it has no host"
    if parts.username is not None:
        return "it contains credentials, which the suite would not send"
    if parts.path.strip("/") or parts.query or parts.fragment:
        return "it has a path, but the contract's paths start at the root"
    return None
