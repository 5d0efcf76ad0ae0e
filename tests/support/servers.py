"""Small HTTP servers, good and bad, that count what they do. Each connection has a thread."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

BODY = b'"hello world"'
KEEP = b"HTTP/1.1 200 OK\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 13\r\n\r\n" + BODY
CLOSE = KEEP.replace(b"\r\nDate", b"\r\nConnection: close\r\nDate")
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n"hello\r\n7\r\n world"\r\n0\r\n\r\n'

Behaviour = Callable[["Client", int], bool]
"""Answers request number n (from 1, over all connections); says whether to go on with the connection."""


@dataclass
class Client:
    """A connection as the server sees it."""

    sock: socket.socket
    head: bytes = b""
    """The request's head, without its blank line."""

    def send(self, data: bytes) -> bool:
        """Send, and go on."""
        self.sock.sendall(data)
        return True

    def reset(self) -> bool:
        """Have the connection reset when it is closed, which is now."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


@dataclass
class Server:
    """A listening socket and what came in on it."""

    behaviour: Behaviour
    listener: socket.socket
    read_bytes: int = 65536
    requests: int = 0
    accepted: int = 0
    clients: list[socket.socket] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> tuple[str, int]:
        """The address on which it listens."""
        host, port = self.listener.getsockname()
        return host, port

    def accept(self) -> None:
        """Take connections until the listening socket is closed."""
        with suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.accepted += 1
                self.clients.append(sock)
                thread = threading.Thread(target=self.serve, args=(sock,))
                self.threads.append(thread)
                thread.start()

    def serve(self, sock: socket.socket) -> None:
        """Answer one connection's requests."""
        buffer = b""
        with suppress(OSError), sock:
            while data := sock.recv(self.read_bytes):
                buffer += data
                while b"\r\n\r\n" in buffer:
                    head, _, buffer = buffer.partition(b"\r\n\r\n")
                    with self.lock:
                        self.requests += 1
                        number = self.requests
                    if not self.behaviour(Client(sock, head), number):
                        return

    def vanish(self) -> None:
        """Close everything at once, as a killed process would."""
        for sock in (self.listener, *self.clients):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@contextmanager
def serving(behaviour: Behaviour, *, read_bytes: int = 65536) -> Iterator[Server]:
    """A server on a port of its own, gone afterwards; with ``read_bytes=1`` it leaves a body to its behaviour."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        server = Server(behaviour, listener, read_bytes)
        thread = threading.Thread(target=server.accept)
        thread.start()
        try:
            yield server
        finally:
            server.vanish()
            for one in (thread, *server.threads):
                one.join(timeout=10)
                assert not one.is_alive()
