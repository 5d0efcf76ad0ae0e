"""Hosts of a test's own: network namespaces on a switch that no other interface of this machine is plugged into."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from common.project import ROOT

ASK = (
    "import sys, urllib.request as r; "
    "print(r.build_opener(r.ProxyHandler({})).open(sys.argv[1], timeout=5).read().decode())"
)


def lacking() -> str | None:
    """The reason why namespaces cannot be made here."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need ip (Debian: apt-get install iproute2)"
    made = subprocess.run(
        ["ip", "netns", "add", f"t{secrets.token_hex(3)}"], capture_output=True, text=True, check=False
    )
    if made.returncode:
        return f"network namespaces cannot be made: {made.stderr.strip()}"
    _ip("netns", "del", made.args[-1])
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One namespace with one address."""

    namespace: str
    address: str

    def start(self, *words: str, log: Path) -> subprocess.Popen[bytes]:
        """A Python program on this host, with our code at hand."""
        line = ["ip", "netns", "exec", self.namespace, sys.executable, *words]
        with log.open("wb") as out:
            return subprocess.Popen(line, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)

    def plug(self, state: str) -> None:
        """Take the host from the network (``down``) or put it back (``up``)."""
        _ip("-n", self.namespace, "link", "set", "eth0", state)

    def ask(self, url: str) -> dict[str, int]:
        """The JSON that a URL answers with, as this host sees it; empty while nobody answers."""
        line = ["ip", "netns", "exec", self.namespace, sys.executable, "-c", ASK, url]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        found: dict[str, int] = json.loads(done.stdout) if done.returncode == 0 else {}
        return found


@contextmanager
def hosts(*names: str) -> Iterator[dict[str, Host]]:
    """A host for each name, all on one network; nothing of it is left afterwards."""
    prefix = f"t{secrets.token_hex(3)}"
    switch = f"{prefix}-switch"
    with ExitStack() as stack:
        _namespace(stack, switch)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        found = {}
        for number, name in enumerate(names, start=1):
            found[name] = Host(namespace=f"{prefix}-{name}", address=f"10.254.0.{number}")
            _namespace(stack, found[name].namespace)
            _plug(found[name], switch, f"port{number}")
        yield found
    assert prefix not in _ip("netns", "list")


def _namespace(stack: ExitStack, name: str) -> None:
    _ip("netns", "add", name)
    stack.callback(_ip, "netns", "del", name)


def _plug(host: Host, switch: str, port: str) -> None:
    own = ("-n", host.namespace)
    _ip(*own, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", switch)
    _ip("-n", switch, "link", "set", port, "master", "bridge", "up")
    _ip(*own, "address", "add", f"{host.address}/24", "dev", "eth0")
    for interface in ("lo", "eth0"):
        _ip(*own, "link", "set", interface, "up")


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout
