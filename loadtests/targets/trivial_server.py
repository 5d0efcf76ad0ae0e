"""The cheapest possible server in Python: one fixed response to every request, over one epoll object.

Run as ``python -P trivial_server.py HOST PORT``. ``GET /closing...`` is answered with ``Connection: close``, and
``GET /answered`` with the number of all other requests answered, by client address. It looks at nothing but the path of
a request, and expects each request in one piece.
"""

import json
import select
import socket
import sys
from collections import Counter

BODY = b'"hello world"'
KEEP = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
CLOSE = KEEP.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
CLOSING, ANSWERED = b"GET /closing", b"GET /answered"
READ_BYTES = 65536


class Server:
    """A listening socket, its connections, and the number of requests by client."""

    def __init__(self, host: str, port: int) -> None:
        self.answered: Counter[str] = Counter()
        self._listener = socket.create_server((host, port), backlog=4096)
        self._listener.settimeout(0)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._clients: dict[int, tuple[socket.socket, str]] = {}
        self._answers = {False: KEEP % (len(BODY), BODY), True: CLOSE % (len(BODY), BODY)}

    def run(self) -> None:
        """Serve until the process is ended."""
        own = self._listener.fileno()
        while True:
            for fd, _ in self._epoll.poll():
                if fd == own:
                    self._accept()
                else:
                    self._answer(fd)

    def _accept(self) -> None:
        try:
            while True:
                sock, (host, *_) = self._listener.accept()
                sock.settimeout(0)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._clients[sock.fileno()] = (sock, host)
                self._epoll.register(sock, select.EPOLLIN)
        except BlockingIOError:
            return

    def _answer(self, fd: int) -> None:
        sock, host = self._clients[fd]
        try:
            data = sock.recv(READ_BYTES)
            if data.startswith(ANSWERED):
                counts = json.dumps(self.answered).encode()
                sock.send(CLOSE % (len(counts), counts))
            elif data:
                closing = data.startswith(CLOSING)
                self.answered[host] += 1
                sock.send(self._answers[closing])
                if not closing:
                    return
        except OSError:
            pass
        self._epoll.unregister(fd)
        del self._clients[fd]
        sock.close()


if __name__ == "__main__":
    Server(sys.argv[1], int(sys.argv[2])).run()
