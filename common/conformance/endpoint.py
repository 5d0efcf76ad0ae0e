"""Where the stack under test answers, as a user writes it."""

import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from common.errors import UsageError

ACCEPTED = "Accepted: http://HOST:PORT, such as http://127.0.0.1:8000"
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A host and a port that speak plain HTTP."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL that paths are appended to; no slash at its end."""
        return f"http://{self.authority}"

    @property
    def authority(self) -> str:
        """What a ``Host`` header says."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> "Endpoint":
        """The target that ``URL=`` names; ``UsageError`` where it names none."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"URL={url} is not a URL: {error}. {ACCEPTED}.") from error
        if (why := _refusal(parts)) is not None:
            raise UsageError(f"URL={url} cannot be used: {why}. {ACCEPTED}.")
        return cls(host=parts.hostname or "", port=80 if port is None else port)

    def reach(self) -> None:
        """Return once a connection could be opened; ``UsageError`` where none can."""
        try:
            socket.create_connection((self.host, self.port), timeout=CONNECT_TIMEOUT_S).close()
        except OSError as error:
            raise UsageError(
                f"URL={self.url} cannot be reached: {error.strerror or error}. "
                "Accepted: the address of a running stack; make serve FRAMEWORK=... starts one and prints it."
            ) from error


def _refusal(parts: SplitResult) -> str | None:
    if parts.scheme == "https":
        return "https is not supported, the suite reads the bytes of plain HTTP"
    if parts.scheme != "http":
        return "its scheme is not http"
    if not parts.hostname:
        return "it names no host"
    if parts.username is not None:
        return "it holds credentials, which no request of the suite sends"
    if parts.path.strip("/") or parts.query or parts.fragment:
        return "it has a path, and the contract's paths start at the root"
    return None
