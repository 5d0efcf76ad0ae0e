"""Neighbours and servers are confined, and no neighbour is left behind."""

import os

import pytest
from docker import DockerClient
from docker.models.containers import Container

from common.catalog.sizes import Size
from common.engine.ownership import OWNER
from common.errors import UsageError
from common.host.ownership import owner_id
from common.runtimes import surroundings
from common.runtimes.container import MAX_PIDS, confine, limits
from common.runtimes.surroundings import NOBODY, neighbours

CORES = sorted(os.sched_getaffinity(0))[:1]


def _own_containers(engine: DockerClient) -> list[Container]:
    return engine.containers.list(all=True, filters={"label": f"{OWNER}={owner_id(os.getpid())}"})


@pytest.mark.parametrize("memory_bytes", [None, 64 * 1024**2])
def test_every_server_is_confined(memory_bytes: int | None) -> None:
    options = limits(Size(memory_bytes=memory_bytes), CORES)
    assert options.items() >= confine(memory_bytes).items()


def test_neighbours_are_confined_and_not_root(engine: DockerClient) -> None:
    with neighbours(1, CORES):
        (neighbour,) = _own_containers(engine)
        host = neighbour.attrs["HostConfig"]
        assert neighbour.attrs["Config"]["User"] == NOBODY
        assert (host["CapDrop"], host["SecurityOpt"], host["ReadonlyRootfs"]) == (["ALL"], ["no-new-privileges"], True)
        assert host["PidsLimit"] == MAX_PIDS
        assert host["Memory"] == host["MemorySwap"] == confine()["mem_limit"]


def test_neighbour_that_cannot_start_is_removed_with_the_engines_reason(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "_BUSY_LOOP", ("no-such-program",))
    with pytest.raises(UsageError, match=r"cannot be started: .*no-such-program"), neighbours(1, CORES):
        pytest.fail("it was started")
    assert _own_containers(engine) == []


def test_no_neighbour_is_left_behind(engine: DockerClient) -> None:
    with neighbours(2, CORES):
        assert len(_own_containers(engine)) == 2
    assert _own_containers(engine) == []
