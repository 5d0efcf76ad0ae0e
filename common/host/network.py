"""Ports of this machine's loopback address, network namespaces, and links of limited bandwidth into them."""

import ctypes
import os
import random
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from common.errors import FailedError, UsageError
from common.host.ownership import is_mark_of_orphan, owner_mark, place_id
from common.project import PROJECT

HOST = "127.0.0.1"
WILDCARDS = {"0.0.0.0": HOST, "::": "::1"}  # noqa: S104 -- looked up, not bound
"""The hosts that stand for every address, each with the address by which this machine reaches what listens there."""
_CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_PORT = 10_000  # well-known services listen below it
_TRIES = 1_000
_MOST_RESERVATIONS = 128  # more servers than start at once; each holds a file descriptor
_RESERVATION = f"\0{PROJECT}-port-"
_reservations: deque[socket.socket] = deque()
_libc = ctypes.CDLL(None, use_errno=True)
NAMESPACES = Path("/run/netns")
_SEPARATOR = "-"
"""Joins the parts of the mark of a namespace's owner."""
FULL = "full"
"""The name, in place of a bandwidth, of a link without a limit."""
_UNITS = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
MIN_BPS, MAX_BPS = 1e5, 1e11
"""The rates at which the kernel's token bucket is accurate with the burst below."""
BURST_S = 0.005
"""Size of the token bucket, as time at the full rate: longer than a kernel tick of 4 ms, after which it is refilled."""
MIN_BURST_BYTES = 128 * 1024
"""Room for two of the largest segments (64 KiB) that the kernel passes to a device at once."""
PROBE_S = 1.0
PROBE_TIMEOUT_S = 15


def check_port(port: int) -> int:
    """Return ``port`` if it is free; raise ``UsageError`` otherwise."""
    with socket.socket() as probe:
        # Connections of a server that has just exited linger in TIME_WAIT and must not count as a port in use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(f"PORT={port} cannot be used: {error.strerror}. Choose a free port.") from error
    return port


def free_port() -> int:
    """Return a port that nothing uses at the moment and that no outgoing connection will be given.

    The kernel gives outgoing connections ports of the ephemeral range, thousands a second under load. A server that is
    about to listen on one of those would now and then find it taken, so the port is drawn at random from below them.
    As a server takes a while to listen, the port is reserved as well: no other call is given it until this process ends
    or has drawn many more. ``OSError`` if there is none.
    """
    for port in _candidate_ports():
        with suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            free: int = probe.getsockname()[1]
            _reserve(free)
            return free
    raise OSError(f"no port of {HOST} is free")


def _reserve(port: int) -> None:
    """Bind a name that stands for the port, which one process at a time can do; ``OSError`` if it is bound already.

    The name is abstract (unix(7)): it belongs to the network namespace, as ports do, and leaves no file behind.
    """
    reservation = socket.socket(socket.AF_UNIX)
    try:
        reservation.bind(f"{_RESERVATION}{port}")
    except OSError:
        reservation.close()
        raise
    _reservations.append(reservation)
    if len(_reservations) > _MOST_RESERVATIONS:
        _reservations.popleft().close()


def _candidate_ports() -> Iterator[int]:
    lowest_ephemeral = int(_EPHEMERAL.read_text().split()[0])
    if lowest_ephemeral > _LOWEST_PORT:
        random_source = random.SystemRandom()  # processes forked from one another draw different ports
        for _ in range(_TRIES):
            yield random_source.randrange(_LOWEST_PORT, lowest_ephemeral)
    yield 0  # the kernel's choice


def enter_network_namespace(file: Path) -> None:
    """Have sockets that this thread opens from now on belong to the namespace behind ``file``, /proc/PID/ns/net.

    Sockets that are open stay where they are (setns(2)). ``OSError`` if it has ended or may not be entered.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(descriptor, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(file))
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A network namespace and the veth pair that leads into it."""

    namespace: str
    device: str
    host: str
    """The address of our end, on which servers for the namespace listen."""

    @property
    def prefix(self) -> tuple[str, ...]:
        """The words that run the command line after them behind the link, with only its network changed."""
        return ("nsenter", f"--net={NAMESPACES / self.namespace}")

    def shape(self, bandwidth: str) -> None:
        """Limit what is sent into the namespace to ``bandwidth``, or lift the limit for ``full`` (tc-tbf(8))."""
        subprocess.run(["tc", "qdisc", "del", "dev", self.device, "root"], capture_output=True, check=False)
        if bandwidth != FULL:
            rate_bps = bits_per_s(bandwidth)
            burst_bytes = max(MIN_BURST_BYTES, round(rate_bps / 8 * BURST_S))
            _run("tc", "qdisc", "add", "dev", self.device, "root", "tbf", "rate", f"{rate_bps:.0f}bit",
                 "burst", f"{burst_bytes}b", "latency", "50ms")  # fmt: skip

    def measure_bps(self) -> float:
        """Measure the bits per second of a plain transfer of one second into the namespace."""
        with socket.create_server((self.host, 0)) as listener:
            listener.settimeout(PROBE_TIMEOUT_S)
            sender = threading.Thread(target=_send, args=(listener,), daemon=True)
            sender.start()
            line = [*self.prefix, sys.executable, "-c", _RECEIVE, self.host, str(listener.getsockname()[1])]
            receiver = subprocess.run(
                [*line, str(PROBE_S)], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False
            )
            sender.join(timeout=PROBE_TIMEOUT_S)
        if receiver.returncode:
            raise FailedError(f"no data came through the link to {self.namespace}: {receiver.stderr.strip()[-200:]}")
        return float(receiver.stdout)


def bits_per_s(text: str) -> float:
    """Parse a bandwidth such as ``100mbit``. Raise ``UsageError`` for anything else, including ``full``."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(kbit|mbit|gbit)", text)
    rate_bps = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not MIN_BPS <= rate_bps <= MAX_BPS:
        raise UsageError(
            f"invalid BANDWIDTH={text}: must be {FULL}, or from 100kbit to 100gbit, such as 100mbit or 1gbit."
        )
    return rate_bps


def parse_bandwidths(text: str) -> tuple[str, ...]:
    """Return the bandwidths in ``BANDWIDTH=``, separated by commas; none if it is empty."""
    names = tuple(dict.fromkeys(part.strip().casefold() for part in text.split(",") if part.strip()))
    for name in names:
        if name != FULL:
            bits_per_s(name)
    return names


def require_namespaces() -> None:
    """Raise ``UsageError`` unless this user can create a namespace with a shaped link."""
    if os.geteuid() != 0:
        raise UsageError("BANDWIDTH= needs root, to create a network namespace. Run it as root, or leave it out.")
    if missing := [name for name in ("ip", "tc", "nsenter") if shutil.which(name) is None]:
        raise UsageError(f"BANDWIDTH= needs {', '.join(missing)}. Run: apt-get install iproute2 util-linux")


@contextmanager
def shaped_link() -> Iterator[Link]:
    """Create a namespace behind a link without a limit, and remove it afterwards.

    What killed runs have left is removed first.
    """
    require_namespaces()
    remove_orphaned_namespaces()
    link = _create_link()
    try:
        yield link
    finally:
        _delete(link.namespace)


def remove_orphaned_namespaces() -> None:
    """Remove every namespace of ours whose owner has exited; the kernel removes its link along with it.

    Those whose owner cannot be seen from here are kept, since other containers may share the folder.
    """
    here = place_id()
    for path in NAMESPACES.glob(f"{PROJECT}-*"):
        if is_mark_of_orphan(path.name.removeprefix(f"{PROJECT}-"), _SEPARATOR, here=here):
            _delete(path.name)


def _create_link() -> Link:
    """Create a namespace and a link, with four addresses from the network reserved for benchmarks (RFC 2544)."""
    namespace = f"{PROJECT}-{owner_mark(_SEPARATOR)}"
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
    process = subprocess.run(line, capture_output=True, text=True, check=False)
    if process.returncode:
        raise FailedError(f"{' '.join(line)}: {process.stderr.strip()}")


def _send(listener: socket.socket) -> None:
    block = bytes(65536)
    try:
        connection, _ = listener.accept()
        with connection:
            while True:
                connection.sendall(block)
    except OSError:
        return  # the receiver has measured long enough, or never connected


_RECEIVE = """
import socket, sys, time
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10) as connection:
    connection.recv(65536)
    start, received = time.perf_counter(), 0
    while time.perf_counter() < start + float(sys.argv[3]):
        received += len(connection.recv(1 << 20))
    print(received * 8 / (time.perf_counter() - start))
"""
