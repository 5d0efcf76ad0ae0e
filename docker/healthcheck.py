"""Exit status 0 when the server in this container answers ``GET /hello`` with 200, else 1."""

import http.client
import os
import sys


def healthy(port: int) -> bool:
    """Whether it answers with 200; asks for the connection to be closed, so that no worker waits on it."""
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
