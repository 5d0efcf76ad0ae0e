"""A network namespace behind a link of a given bandwidth: a veth pair of which our end sends no faster than told."""

import os
import random
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common.errors import FailedError, UsageError
from common.host.ownership import is_alive, owner_id
from common.project import PROJECT

NAMESPACES = Path("/run/netns")
FULL = "full"
"""The bandwidth of a link that is not shaped."""

_UNITS = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
BURST_S = 0.005
"""How much may be sent at once, as time at the full rate: a kernel that looks 250 times a second needs 4 ms of it."""
LEAST_BURST_BYTES = 128 * 1024
PROBE_S = 1.0
PROBE_TIMEOUT_S = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A namespace and the way to it."""

    namespace: str
    device: str
    host: str
    """Our end's address, which servers for the namespace listen on."""

    @property
    def prefix(self) -> tuple[str, ...]:
        """What to put before a command line so that it runs behind the link, with nothing but the network changed."""
        return ("nsenter", f"--net={NAMESPACES / self.namespace}")

    def shape(self, bandwidth: str) -> None:
        """Give what is sent to the namespace this bandwidth: a token bucket, or ``full`` for none (tc-tbf(8))."""
        subprocess.run(["tc", "qdisc", "del", "dev", self.device, "root"], capture_output=True, check=False)
        if bandwidth != FULL:
            rate_bps = bits_per_s(bandwidth)
            burst_bytes = max(LEAST_BURST_BYTES, round(rate_bps / 8 * BURST_S))
            _run("tc", "qdisc", "add", "dev", self.device, "root", "tbf", "rate", f"{rate_bps:.0f}bit",
                 "burst", f"{burst_bytes}b", "latency", "50ms")  # fmt: skip

    def seen_bps(self) -> float:
        """Bits per second that a plain transfer into the namespace reaches in a second."""
        with socket.create_server((self.host, 0)) as listener:
            listener.settimeout(PROBE_TIMEOUT_S)
            sender = threading.Thread(target=_send, args=(listener,), daemon=True)
            sender.start()
            line = [*self.prefix, sys.executable, "-c", _RECEIVE, self.host, str(listener.getsockname()[1])]
            done = subprocess.run(
                [*line, str(PROBE_S)], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False
            )
            sender.join(timeout=PROBE_TIMEOUT_S)
        if done.returncode:
            raise FailedError(f"nothing comes through the link to {self.namespace}: {done.stderr.strip()[-200:]}")
        return float(done.stdout)


def bits_per_s(text: str) -> float:
    """The bandwidth that ``100mbit`` and the like name; ``full`` is none and has no figure."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(kbit|mbit|gbit)", text)
    rate = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 1e5 <= rate <= 1e11:  # noqa: PLR2004 -- what a token bucket in this kernel is good for
        raise UsageError(
            f"BANDWIDTH={text} is none. Accepted: {FULL}, or 100kbit to 100gbit, such as 100mbit or 1gbit."
        )
    return rate


def parse_bandwidths(text: str) -> tuple[str, ...]:
    """The links that ``BANDWIDTH=`` names, several joined by commas; none for an empty text."""
    names = tuple(dict.fromkeys(part.strip().casefold() for part in text.split(",") if part.strip()))
    for name in names:
        if name != FULL:
            bits_per_s(name)
    return names


def require_namespaces() -> None:
    """``UsageError`` unless this user can make a namespace with a shaped link."""
    if os.geteuid() != 0:
        raise UsageError("BANDWIDTH= makes a network namespace, which only root can. Run it as root, or leave it out.")
    if absent := [name for name in ("ip", "tc", "nsenter") if shutil.which(name) is None]:
        raise UsageError(f"BANDWIDTH= needs {', '.join(absent)}. Run: apt-get install iproute2 util-linux")


@contextmanager
def shaped_link() -> Iterator[Link]:
    """A namespace behind a link that is not shaped yet; gone afterwards, with all that a killed run left."""
    require_namespaces()
    remove_orphaned_namespaces()
    link = _made()
    try:
        yield link
    finally:
        _delete(link.namespace)


def remove_orphaned_namespaces() -> None:
    """Remove every namespace of ours whose owner lives no more; its end of the link goes with it."""
    for path in NAMESPACES.glob(f"{PROJECT}-*"):
        owner = path.name.removeprefix(f"{PROJECT}-").replace("-", ":")
        if not is_alive(owner):
            _delete(path.name)


def _made() -> Link:
    """Addresses are of the network that is set aside for benchmarks (RFC 2544), four of them to a link."""
    namespace = f"{PROJECT}-{owner_id(os.getpid()).replace(':', '-')}"
    first = random.SystemRandom().randrange(2**15) * 4
    network = f"198.{18 + (first >> 16)}.{first >> 8 & 255}"
    host, peer = (f"{network}.{(first & 255) + number}" for number in (1, 2))
    link = Link(namespace=namespace, device=f"bench{secrets.token_hex(4)}", host=host)
    _run("ip", "netns", "add", namespace)
    try:
        _run("ip", "link", "add", link.device, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _run("ip", "address", "add", f"{host}/30", "dev", link.device)
        _run("ip", "link", "set", link.device, "up")
        _run("ip", "-n", namespace, "address", "add", f"{peer}/30", "dev", "eth0")
        for device in ("lo", "eth0"):
            _run("ip", "-n", namespace, "link", "set", device, "up")
    except FailedError:
        _delete(namespace)
        raise
    return link


def _delete(namespace: str) -> None:
    subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)


def _run(*line: str) -> None:
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FailedError(f"{' '.join(line)}: {done.stderr.strip()}")


def _send(listener: socket.socket) -> None:
    block = bytes(65536)
    try:
        connection, _ = listener.accept()
        with connection:
            while True:
                connection.sendall(block)
    except OSError:
        return  # the receiver has seen enough, or never came


_RECEIVE = """
import socket, sys, time
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10) as connection:
    connection.recv(65536)
    began, received = time.perf_counter(), 0
    while time.perf_counter() < began + float(sys.argv[3]):
        received += len(connection.recv(1 << 20))
    print(received * 8 / (time.perf_counter() - began))
"""
