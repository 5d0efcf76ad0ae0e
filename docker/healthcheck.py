"""Exit with status 0 if the server in this container answers ``GET /hello`` with 200, else with 1."""

import http.client
import os
import sys


def healthy(port: int) -> bool:
    """Return whether the server answers with 200; close the connection, so that no worker is kept waiting on it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/hello", headers={"Connection": "close"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not healthy(int(os.environ["PORT"])))
