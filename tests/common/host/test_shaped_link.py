"""Links have the bandwidth they are given, and go with the process that made them."""

import subprocess

import pytest

from common.errors import UsageError
from common.host.ownership import owner_id
from common.host.shaped_link import (
    NAMESPACES,
    Link,
    bits_per_s,
    parse_bandwidths,
    remove_orphaned_namespaces,
    require_namespaces,
    shaped_link,
)
from common.project import PROJECT
from tests.support.waiting import wait_until


@pytest.fixture
def _namespaces() -> None:
    try:
        require_namespaces()
    except UsageError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("text", "links"),
    [("", ()), ("100mbit", ("100mbit",)), ("FULL, 1gbit,1gbit", ("full", "1gbit")), ("0.5mbit", ("0.5mbit",))],
)
def test_links_are_read(text: str, links: tuple[str, ...]) -> None:
    assert parse_bandwidths(text) == links


@pytest.mark.parametrize("text", ["100", "mbit", "-1mbit", "1kbit", "900gbit", "100mbps", "full,fast"])
def test_what_is_no_bandwidth_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="Accepted: full"):
        parse_bandwidths(text)


@pytest.mark.usefixtures("_namespaces")
def test_a_link_carries_what_it_is_given() -> None:
    with shaped_link() as link:
        assert link.seen_bps() > bits_per_s("1gbit")
        link.shape("40mbit")
        assert link.seen_bps() == pytest.approx(bits_per_s("40mbit"), rel=0.15)
        link.shape("full")
        assert link.seen_bps() > bits_per_s("1gbit")


def _devices() -> str:
    return subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout


@pytest.mark.usefixtures("_namespaces")
def test_namespace_and_link_are_gone_whatever_ends_the_block() -> None:
    made: list[Link] = []

    def fail() -> None:
        with shaped_link() as link:
            made.append(link)
            assert link.device in _devices()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not (NAMESPACES / made[0].namespace).exists()
    wait_until(lambda: made[0].device not in _devices())  # the kernel takes a namespace's devices down in its own time


@pytest.mark.usefixtures("_namespaces")
def test_a_sweep_takes_what_a_killed_run_left() -> None:
    with subprocess.Popen(["true"]) as gone:
        left = f"{PROJECT}-{owner_id(gone.pid).replace(':', '-')}"
    subprocess.run(["ip", "netns", "add", left], check=True)
    with shaped_link() as link:
        assert not (NAMESPACES / left).exists()
        remove_orphaned_namespaces()
        assert (NAMESPACES / link.namespace).exists()
