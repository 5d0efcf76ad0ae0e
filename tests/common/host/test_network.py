"""Ports stay free while connections are opened; links have the bandwidth they are given, and are removed."""

import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import UsageError
from common.host import network
from common.host.network import (
    HOST,
    NAMESPACES,
    Link,
    bits_per_s,
    free_port,
    parse_bandwidths,
    remove_orphaned_namespaces,
    require_namespaces,
    shaped_link,
)
from common.host.ownership import owner_id, place_id
from common.project import PROJECT
from tests.support.waiting import wait_until

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_no_outgoing_connection_can_be_given_the_port_of_a_server_about_to_start() -> None:
    lowest, highest = map(int, EPHEMERAL.read_text().split())
    assert not any(lowest <= free_port() <= highest for _ in range(200))


@pytest.fixture
def reservations(monkeypatch: pytest.MonkeyPatch) -> Iterator[deque[socket.socket]]:
    """Have ports reserved under a name of the test's own, so that no other test's reservation is in the way."""
    made: deque[socket.socket] = deque()
    monkeypatch.setattr(network, "_reservations", made)
    monkeypatch.setattr(network, "_RESERVATION", f"\0test-{os.getpid()}-port-")
    yield made
    for reservation in made:
        reservation.close()


def test_a_port_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch, reservations: deque[socket.socket]) -> None:
    lowest_ephemeral = int(EPHEMERAL.read_text().split()[0])
    monkeypatch.setattr(network, "_LOWEST_PORT", lowest_ephemeral - 2)
    with socket.create_server((HOST, lowest_ephemeral - 1)):
        for _ in range(50):
            assert free_port() == lowest_ephemeral - 2
            reservations.pop().close()


@pytest.mark.usefixtures("reservations")
def test_a_port_whose_server_does_not_listen_yet_is_given_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    lowest_ephemeral = int(EPHEMERAL.read_text().split()[0])
    monkeypatch.setattr(network, "_LOWEST_PORT", lowest_ephemeral - 2)
    assert {free_port(), free_port()} == {lowest_ephemeral - 2, lowest_ephemeral - 1}
    draw = (
        "from common.host import network\n"
        f"network._LOWEST_PORT, network._RESERVATION = {lowest_ephemeral - 2}, {network._RESERVATION!r}\n"
        "print(network.free_port())"
    )
    drawn = subprocess.run((sys.executable, "-c", draw), capture_output=True, text=True, check=True).stdout
    assert int(drawn) >= lowest_ephemeral


def test_old_reservations_of_ports_end(monkeypatch: pytest.MonkeyPatch, reservations: deque[socket.socket]) -> None:
    monkeypatch.setattr(network, "_MOST_RESERVATIONS", 2)
    for _ in range(5):
        free_port()
    assert len(reservations) == 2


def test_the_kernel_chooses_where_its_range_leaves_nothing_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_range = tmp_path / "ip_local_port_range"
    whole_range.write_text("1024\t65535\n")
    monkeypatch.setattr(network, "_EPHEMERAL", whole_range)
    with socket.create_server((HOST, free_port())):
        pass


@pytest.fixture
def _namespaces() -> None:
    try:
        require_namespaces()
    except UsageError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("text", "bandwidths"),
    [("", ()), ("100mbit", ("100mbit",)), ("FULL, 1gbit,1gbit", ("full", "1gbit")), ("0.5mbit", ("0.5mbit",))],
)
def test_bandwidths_are_parsed(text: str, bandwidths: tuple[str, ...]) -> None:
    assert parse_bandwidths(text) == bandwidths


@pytest.mark.parametrize("text", ["100", "mbit", "-1mbit", "1kbit", "900gbit", "100mbps", "full,fast"])
def test_invalid_bandwidth_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^invalid BANDWIDTH=[^:]*: must be full, or from 100kbit to 100gbit"):
        parse_bandwidths(text)


@pytest.mark.usefixtures("_namespaces")
def test_transfer_reaches_the_bandwidth_of_the_link() -> None:
    with shaped_link() as link:
        assert link.measure_bps() > bits_per_s("1gbit")
        link.shape("40mbit")
        assert link.measure_bps() == pytest.approx(bits_per_s("40mbit"), rel=0.15)
        link.shape("full")
        assert link.measure_bps() > bits_per_s("1gbit")


def _devices() -> str:
    return subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout


@pytest.mark.usefixtures("_namespaces")
def test_namespace_and_link_are_removed_when_the_block_raises() -> None:
    links: list[Link] = []

    def fail() -> None:
        with shaped_link() as link:
            links.append(link)
            assert link.device in _devices()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not (NAMESPACES / links[0].namespace).exists()
    wait_until(lambda: links[0].device not in _devices())  # the kernel removes a namespace's devices in its own time


def test_only_namespaces_whose_owner_is_known_to_have_exited_are_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here, dead = place_id(), "4194305:1"
    orphans = {f"{dead}:{here}", dead}  # the second one as earlier versions named it
    in_use = {f"{owner_id(os.getpid())}:{here}", f"{dead}:other:boot:1", f"{dead}::boot:1", "mine"}
    for name in (*orphans, *in_use):
        (tmp_path / _named(name)).touch()
    deleted: set[str] = set()
    monkeypatch.setattr(network, "NAMESPACES", tmp_path)
    monkeypatch.setattr(network, "_delete", deleted.add)
    remove_orphaned_namespaces()
    assert deleted == set(map(_named, orphans))


def _named(owner: str) -> str:
    return f"{PROJECT}-{owner}".replace(":", "-")


@pytest.mark.usefixtures("_namespaces")
def test_namespaces_of_killed_runs_are_removed() -> None:
    with subprocess.Popen(["true"]) as exited:
        orphan = _named(f"{owner_id(exited.pid)}:{place_id()}")
    subprocess.run(["ip", "netns", "add", orphan], check=True)
    with shaped_link() as link:
        assert not (NAMESPACES / orphan).exists()
        remove_orphaned_namespaces()
        assert (NAMESPACES / link.namespace).exists()
