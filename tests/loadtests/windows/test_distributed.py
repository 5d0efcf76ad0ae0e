"""A master and its workers measure one window, on one machine and over a network; who is lost is said to be lost."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from common.host.ports import free_port
from common.project import ROOT
from common.records.schema import decode
from common.records.window import Load
from loadtests.users import histogram
from tests.conftest import absent
from tests.loadtests.windows.test_window import USERS, keep_alive, sometimes_wrong, window
from tests.support.namespaces import Host, hosts, lacking
from tests.support.servers import serving
from tests.support.waiting import wait_until

MANY = 12
SERVER = "loadtests/generator/trivial_server.py"


@pytest.mark.parametrize("workers", [1, 2])
def test_the_workers_of_one_machine_share_one_window(workers: int, tmp_path: Path) -> None:
    with serving(sometimes_wrong) as server:
        seen = window(tmp_path / "w.json", server.address[1], f"--processes={workers}", *_ports(server.address[1]))
        assert 0 < seen.requests < server.requests
    assert (seen.server_gone, seen.workers_lost, len(seen.workers)) == (None, 0, workers)
    assert all(abs(worker.duration_s - 1) < 0.2 and worker.requests for worker in seen.workers)
    assert seen.window_skew_s is not None
    assert seen.window_skew_s < 0.2
    assert (seen.users, seen.connections_open_min) == (USERS, USERS)
    assert seen.answered == seen.requests + seen.failures["wrong body"]
    assert abs(seen.sent - seen.answered) <= USERS
    assert seen.littles_law_ratio == pytest.approx(seen.requests / seen.answered, rel=0.1)
    assert seen.server_cpu_s is not None
    _adds_up(seen)


def test_workers_that_find_no_server_are_a_record_that_says_so(tmp_path: Path) -> None:
    with serving(keep_alive) as server:
        port = server.address[1]
        server.vanish()
        seen = window(tmp_path / "w.json", port, "--processes=2", *_ports(port))
    assert seen.server_gone is not None
    assert "0 of 2 connections were open after 1 s (connection refused " in seen.server_gone
    assert seen.requests == 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("worker --master=127.0.0.1:{port} --patience=0", "nothing listens at MASTER=127.0.0.1:{port} within 0 s."),
        (
            "master --url=http://127.0.0.1:9 --expect=1 --patience=1 --bind=127.0.0.1:{port} --out={folder}/load.json",
            "Gave up waiting for workers to connect",
        ),
    ],
)
def test_whoever_waits_in_vain_says_so_in_one_line(line: str, told: str, tmp_path: Path) -> None:
    words = line.format(port=free_port(), folder=tmp_path).split()
    done = subprocess.run(
        [sys.executable, "-m", "loadtests", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert re.fullmatch(r"error: [^\n]+\n", done.stderr), done.stderr
    assert told.split(":{port}", maxsplit=1)[0] in done.stderr


@dataclass
class Site:
    """A server, a master and two workers, each on a host of its own, and a host for one more worker."""

    hosts: dict[str, Host]
    folder: Path
    started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *words: str) -> None:
        """Start a program on a host."""
        self.started[name] = self.hosts[name].start(*words, log=self.folder / f"{name}.log")

    def lead(self, window_s: float) -> None:
        """Start a master that waits for two workers."""
        master, server = self.hosts["master"].address, self.hosts["server"].address
        options = {"url": f"http://{server}:8000", "bind": f"{master}:5557", "expect": 2, "users": MANY, "warmup": 0}
        options |= {"window": window_s, "out": self.folder / "load.json", "patience": 40}
        self.start("master", "-m", "loadtests", "master", *(f"--{name}={value}" for name, value in options.items()))

    def join(self, name: str) -> None:
        """Start a worker."""
        self.start(name, "-m", "loadtests", "worker", f"--master={self.hosts['master'].address}:5557", "--patience=40")

    def answered(self, name: str) -> int:
        """How many requests of a host the server has answered."""
        server = self.hosts["server"]
        return server.ask(f"http://{server.address}:8000/answered").get(self.hosts[name].address, 0)

    def log(self, name: str) -> str:
        """What a program printed."""
        return (self.folder / f"{name}.log").read_text()

    def end(self, name: str) -> int:
        """A program's exit status."""
        return self.started[name].wait(timeout=60)

    def load(self) -> Load:
        """What the master wrote."""
        found: Load = decode((self.folder / "load.json").read_bytes(), Load, source="load.json")
        return found

    def stop(self) -> None:
        """End whatever runs."""
        for process in self.started.values():
            with suppress(ProcessLookupError):
                process.terminate()
            process.wait(timeout=30)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    if (lack := lacking()) is not None:
        absent(lack)
    with ExitStack() as stack:
        found = Site(stack.enter_context(hosts("server", "master", "one", "two", "three")), tmp_path)
        stack.callback(found.stop)
        found.start("server", "-P", SERVER, found.hosts["server"].address, "8000")
        yield found
    assert not [
        process for process in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(process.info["cmdline"])
    ]


def test_a_worker_that_is_killed_is_reported_and_the_others_counts_are_whole(site: Site) -> None:
    site.lead(window_s=4)
    for name in ("one", "two"):
        site.join(name)
    wait_until(lambda: min(site.answered("one"), site.answered("two")) > 2000, deadline_s=60)
    for process in psutil.Process(site.started["one"].pid).children(recursive=True):
        if _is_worker(process):
            process.send_signal(signal.SIGKILL)
    assert site.end("master") == 1, site.log("master")
    assert "1 workers were lost" in site.log("master")
    load = site.load()
    (survivor,) = load.workers
    assert load.workers_lost == 1
    assert survivor.duration_s == pytest.approx(4, abs=0.3)
    assert 2000 < survivor.requests <= site.answered("two")
    assert (load.users, load.connections_open_min, load.failures) == (MANY // 2, MANY // 2, {})
    assert abs(load.sent - load.answered) <= MANY
    _adds_up(load)
    assert site.end("two") == 0, site.log("two")
    assert site.end("one") == 1
    assert "error: the worker ended: exit status" in site.log("one")


def test_a_worker_that_joins_late_counts_from_then_on_and_is_reported(site: Site) -> None:
    """It is started first, so that it joins as soon as its network is there, and not whenever it has started up."""
    site.hosts["three"].plug("down")
    master = site.hosts["master"].address
    site.start("three", "-m", "locust", "-f", "loadtests/locustfile.py", "--worker", f"--master-host={master}")
    wait_until(lambda: "Starting Locust" in site.log("three"), deadline_s=60)
    site.lead(window_s=5)
    for name in ("one", "two"):
        site.join(name)
    wait_until(lambda: min(site.answered("one"), site.answered("two")) > 0, deadline_s=60)
    site.hosts["three"].plug("up")
    assert site.end("master") == 1, site.log("master")
    assert "1 workers joined in mid-window" in site.log("master")
    load = site.load()
    (late,) = (worker for worker in load.workers if worker.joined_late)
    assert (load.workers_lost, len(load.workers), load.users) == (0, 3, MANY)
    assert late.duration_s < load.duration_s
    assert late.users == MANY // 3
    assert 0.5 * site.answered("three") <= late.requests <= site.answered("three")
    _adds_up(load)


def _adds_up(load: Load) -> None:
    assert sum(worker.requests for worker in load.workers) == load.requests == sum(histogram.dense(load.histogram))


def _ports(port: int) -> tuple[str, ...]:
    """Ports for a master beside whatever else this machine runs: the server's own, on another address."""
    return (
        f"--master-bind-port={port}",
        f"--master-port={port}",
        "--master-bind-host=127.0.0.2",
        "--master-host=127.0.0.2",
    )


def _is_worker(process: psutil.Process) -> bool:
    """Whether a process is Locust itself, and not the guard that has its command line as well."""
    words: Callable[[], list[str]] = process.cmdline
    return "locust" in words() and "guard.py" not in " ".join(words())
