"""Ports for servers are free, and stay free while connections are opened."""

import socket
from pathlib import Path

import pytest

from common.host import network
from common.host.network import HOST, free_port

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_no_outgoing_connection_can_be_given_the_port_of_a_server_about_to_start() -> None:
    lowest, highest = map(int, EPHEMERAL.read_text().split())
    assert not any(lowest <= free_port() <= highest for _ in range(200))


def test_a_port_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    lowest_ephemeral = int(EPHEMERAL.read_text().split()[0])
    monkeypatch.setattr(network, "_LOWEST_PORT", lowest_ephemeral - 2)
    with socket.create_server((HOST, lowest_ephemeral - 1)):
        assert {free_port() for _ in range(50)} == {lowest_ephemeral - 2}


def test_the_kernel_chooses_where_its_range_leaves_nothing_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_range = tmp_path / "ip_local_port_range"
    whole_range.write_text("1024\t65535\n")
    monkeypatch.setattr(network, "_EPHEMERAL", whole_range)
    with socket.create_server((HOST, free_port())):
        pass
