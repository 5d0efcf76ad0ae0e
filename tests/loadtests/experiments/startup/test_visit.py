"""Starts are observed from outside, phase by phase; an image is pulled into an engine that has none of its layers."""

import functools
import os
import socket
import time
from pathlib import Path

import pytest
from docker import DockerClient

from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import images
from common.engine.builds import build_images
from common.engine.cold_starts import ENGINES, cold_method
from common.errors import UsageError
from common.host.cores import split_cores
from common.packages.environments import environment
from common.runtimes import process
from common.runtimes.candidates import Candidate
from loadtests.experiments.startup.experiment import parse_links
from loadtests.experiments.startup.records import Pull, PullCell, Start
from loadtests.experiments.startup.visit import listens, observe, pinned, puller
from tests.common.runtimes.test_container import owned_by
from tests.support.records import NOON
from tests.support.tiny_images import tiny_image
from tests.support.toy_stacks import toy_stack

SLIM = images()["slim"]
SIZE = Size(vcpu=0.5)
CORES = split_cores(0.5)
BLANK = Start(run="run", round=1, position=1, cell="toy", started_at=NOON)


@pytest.fixture(scope="module")
def toy(toy_name: str, tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    """The toy, built on slim."""
    made = toy_stack(tmp_path_factory.mktemp("frameworks"), toy_name)
    build_images([made], [SLIM], report=lambda _: None)
    return Candidate(stack=made, image=SLIM)


def test_a_listening_socket_is_seen_from_outside() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        assert not listens(os.getpid(), port)
        sock.listen()
        assert listens(os.getpid(), port)
    assert not listens(os.getpid(), port)


def test_a_socket_of_ipv6_is_seen_too(tmp_path: Path) -> None:
    net = tmp_path / "7" / "net"
    net.mkdir(parents=True)
    head = "  sl  local_address remote_address st\n"
    (net / "tcp").write_text(f"{head}   0: 0100007F:1F40 0100007F:9C40 01\n")
    assert not listens(7, 8000, proc=tmp_path)
    (net / "tcp6").write_text(f"{head}   0: {'0' * 32}:1F40 {'0' * 32}:0000 0A\n")
    assert listens(7, 8000, proc=tmp_path)


def test_phases_of_a_container_add_up(engine: DockerClient, toy: Candidate) -> None:
    began = time.perf_counter()
    with pinned(CORES):
        start = observe(BLANK, toy, SIZE, cores=CORES, cold=False)
    took_s = time.perf_counter() - began
    assert start.error is None
    phases = (start.create_s, start.start_s, start.bind_s, start.answer_s)
    known = [phase for phase in phases if phase is not None]
    assert len(known) == 4
    assert start.total_s == pytest.approx(sum(known))
    assert 0 < sum(known) < took_s
    assert start.cpu_s is not None
    assert 0.02 < start.cpu_s < 2
    assert owned_by(engine, os.getpid()) == []


def test_a_cold_start_reads_from_the_disk_and_a_warm_one_does_not(toy: Candidate) -> None:
    assert toy.tag is not None
    try:
        cold_method(toy.tag)
    except UsageError as error:
        pytest.skip(str(error))
    observe(BLANK, toy, SIZE, cores=CORES, cold=False)
    read = [observe(BLANK, toy, SIZE, cores=CORES, cold=cold).disk_read_bytes or 0 for cold in (False, True)]
    assert read[0] < 1_000_000 < read[1]


def test_a_container_that_dies_ends_the_wait_with_its_log(engine: DockerClient, toy_name: str, tmp_path: Path) -> None:
    app = "import sys, time\ntime.sleep(0.5)\nsys.exit('no such database')\n"
    dying = toy_stack(tmp_path, f"{toy_name}_dying", app=app)
    build_images([dying], [SLIM], report=lambda _: None)
    began = time.monotonic()
    start = observe(BLANK, Candidate(stack=dying, image=SLIM), SIZE, cores=CORES, cold=False)
    assert time.monotonic() - began < 15
    assert start.error is not None
    assert "no such database" in start.error
    assert start.total_s is None
    assert owned_by(engine, os.getpid()) == []


@pytest.fixture
def own_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the toys' environment from a folder of the test."""
    monkeypatch.setattr(process, "environment", functools.partial(environment, root=tmp_path / "environments"))


@pytest.mark.slow
@pytest.mark.usefixtures("own_environments")
def test_phases_of_a_process_begin_with_its_start(tmp_path: Path) -> None:
    """A process has no phases of the engine, only bind and answer."""
    start = observe(BLANK, Candidate(stack=toy_stack(tmp_path, "toy")), Size(), cores=split_cores(1), cold=False)
    assert start.error is None
    assert (start.create_s, start.start_s) == (None, None)
    assert start.bind_s is not None
    assert start.answer_s is not None
    assert start.total_s is not None
    assert start.total_s == pytest.approx(start.bind_s + start.answer_s)
    assert 0 < start.total_s < 10
    assert start.cpu_s is not None
    assert start.cpu_s > 0


@pytest.mark.slow
@pytest.mark.usefixtures("own_environments")
def test_a_process_that_dies_ends_the_wait_with_what_it_printed(tmp_path: Path) -> None:
    app = "import sys, time\ntime.sleep(0.2)\nsys.exit('no such database')\n"
    dying = Candidate(stack=toy_stack(tmp_path, "toy", app=app))
    start = observe(BLANK, dying, Size(), cores=split_cores(1), cold=False)
    assert "no such database" in str(start.error)
    assert start.total_s is None


def test_the_observing_process_keeps_off_the_servers_cores() -> None:
    before = os.sched_getaffinity(0)
    with pinned(CORES):
        assert os.sched_getaffinity(0) == set(CORES.generator)
    assert os.sched_getaffinity(0) == before


@pytest.mark.parallel
def test_an_image_is_pulled_over_a_link_and_nothing_is_left(engine: DockerClient) -> None:
    try:
        parse_links("100mbit", Runtime.DOCKER)
    except UsageError as error:
        pytest.skip(str(error))
    blank = Pull(run="run", round=1, position=1, cell="toy", started_at=NOON)
    with tiny_image(engine, size_bytes=4_000_000) as image:
        with puller(iter([image])) as ready:
            pulls = [ready.measure(blank, PullCell(name="toy", image=image, link=link)) for link in ("200mbit", "full")]
        assert engine.images.get(image).tags == [image]
    for pull in pulls:
        assert pull.error is None
        assert pull.compressed_bytes is not None
        assert pull.download_s is not None
        assert pull.total_s is not None
        assert pull.download_s < pull.total_s
    shaped, full = pulls
    assert shaped.download_s is not None
    assert shaped.compressed_bytes is not None
    assert shaped.download_s > 0.9 * shaped.compressed_bytes * 8 / 200e6  # a busy machine may take longer
    assert (full.link_seen_bps or 0) > 1e9 > (shaped.link_seen_bps or 0)
    assert not list(ENGINES.glob(f"{os.getpid()}-*"))
    assert not any(os.fspath(ENGINES) in line for line in Path("/proc/self/mountinfo").read_text().splitlines())
