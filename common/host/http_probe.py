"""One request to a server that may not answer yet."""

from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

PROBE_TIMEOUT_S = 5.0


def responds(
    url: str, path: str = "/hello", *, timeout_s: float = PROBE_TIMEOUT_S, connect_timeout_s: float | None = None
) -> bool:
    """Whether ``GET`` is answered with 200; closes its connection, so that no worker waits on it."""
    return fetch_body(url, path, timeout_s=timeout_s, connect_timeout_s=connect_timeout_s) is not None


def fetch_body(
    url: str, path: str, *, timeout_s: float = PROBE_TIMEOUT_S, connect_timeout_s: float | None = None
) -> bytes | None:
    """The body that ``GET`` is answered with, as ``answers``; ``None`` where there is no answer, or no 200."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=connect_timeout_s or timeout_s)
    try:
        connection.connect()
        connection.sock.settimeout(timeout_s)
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.read() if response.status == HTTPStatus.OK else None
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
