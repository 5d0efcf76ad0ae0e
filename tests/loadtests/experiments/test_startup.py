"""Starts are watched from outside, phase by phase; what dies while it is waited for ends the wait with its log."""

import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from docker import DockerClient

from common.catalog.images import DEFAULT_PYTHON, images
from common.catalog.sizes import Size
from common.engine.builds import build_images
from common.engine.page_cache import cold_method
from common.engine.pulls import FOLDERS
from common.errors import UsageError
from common.host.cores import split_cores
from common.project import ROOT
from common.records.startup import Pull, PullCell, Start, StartupRun, StartupSummary
from common.runtimes.candidates import Candidate, Runtime
from loadtests.startup.pull import puller
from loadtests.startup.run import read_links
from loadtests.startup.split import split
from loadtests.startup.start import listens, observe, pinned
from tests.common.runtimes.test_container import owned_by
from tests.support.toy_stacks import toy_stack

SLIM = images()["slim"]
SIZE = Size(vcpu=0.5)
CORES = split_cores(0.5)
BLANK = Start(run="run", round=1, position=1, cell="toy", started_at=datetime(2026, 1, 2, tzinfo=UTC))


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


def test_interpreter_and_import_are_told_apart(toy_name: str, tmp_path: Path) -> None:
    """An app whose import burns 0.3 CPU-seconds."""
    app = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
    slow = toy_stack(tmp_path, f"{toy_name}_slow", app=app)
    build_images([slow], [SLIM], report=lambda _: None)
    interpreter, app_import = split(Candidate(stack=slow, image=SLIM), SIZE, CORES.server)
    assert 0 < interpreter.cpu_s < 0.15
    assert app_import.cpu_s == pytest.approx(0.3, abs=0.05)
    assert app_import.wall_s >= 0.5 * app_import.cpu_s / SIZE.vcpu


def test_an_image_is_pulled_over_a_link_and_nothing_is_left(engine: DockerClient) -> None:
    image = images()["alpine"].base(DEFAULT_PYTHON)
    try:
        read_links("100mbit", Runtime.DOCKER)
    except UsageError as error:
        pytest.skip(str(error))
    tags = {tag for image in engine.images.list() for tag in image.tags}
    blank = Pull(run="run", round=1, position=1, cell="toy", started_at=BLANK.started_at)
    with puller(iter([image])) as ready:
        pulls = [ready.measure(blank, PullCell(name="toy", image=image, link=link)) for link in ("200mbit", "full")]
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
    assert not list(FOLDERS.glob(f"{os.getpid()}-*"))
    assert not any(os.fspath(FOLDERS) in line for line in Path("/proc/self/mountinfo").read_text().splitlines())
    assert {tag for tag in tags if "127.0.0.1" in tag} == {
        tag for image in engine.images.list() for tag in image.tags if "127.0.0.1" in tag
    }


def test_processes_are_started_and_read_in_a_table_and_in_records(tmp_path: Path) -> None:
    line = ["--runtime=process", "--framework=raw_wsgi", "--rounds=2", "--seed=3"]
    ended = subprocess.run(
        [sys.executable, "-m", "loadtests", "startup", *line, f"--out={tmp_path}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    run = msgspec.json.decode((tmp_path / "run.json").read_bytes(), type=StartupRun)
    starts = msgspec.json.Decoder(Start).decode_lines((tmp_path / "starts.jsonl").read_bytes())
    summary = msgspec.json.decode((tmp_path / "summary.json").read_bytes(), type=StartupSummary)
    assert (run.seed, [one.round for one in starts]) == (3, [1, 2])
    for start in starts:
        assert start.total_s is not None
        assert start.app_import is not None
        assert start.cpu_s is not None
        assert 0 < start.app_import.cpu_s < start.cpu_s
    (row,) = summary.starts
    assert row.total_s is not None
    assert f"{row.total_s.estimate:.2f}" in ended.stdout
