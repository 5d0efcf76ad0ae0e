"""A master and workers on hosts of their own measure one window; a worker that is lost is said to be lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from common.console import Terminal
from common.errors import UsageError
from common.host.network import free_port
from common.project import ROOT
from common.records.load import Rate
from common.records.window import Load, Window
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.resume import resume
from loadtests.campaign.store import RunFolder
from loadtests.experiments.distributed.experiment import Address, _command, write_context
from loadtests.users import histogram
from tests.conftest import absent
from tests.support import generator_records
from tests.support.namespaces import Host, hosts, lacking
from tests.support.records import setup
from tests.support.waiting import wait_until

MANY = 12
SERVER = "loadtests/targets/trivial_server.py"
FILES = (
    "common/records/run.py",
    "common/__pycache__/run.cpython-311.pyc",
    "loadtests/locustfile.py",
    "loadtests/windows/wrk.lua",
    "loadtests/results/one/run.json",
    "loadtests/published/one/run.json",
    "loadtests/.cache/found",
    "docker/bases.toml",
    "docker/generator.Dockerfile",
    "frameworks/falcon/app.py",
    "requirements.lock",
    "README.md",
)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("worker --master=127.0.0.1:{port} --patience=0", "nothing listened at --master=127.0.0.1:{port} within 0 s."),
        (
            "master --url=http://127.0.0.1:9 --expect=1 --patience=1 --bind=127.0.0.1:{port} --out={folder}/run",
            "Gave up waiting for workers to connect",
        ),
    ],
)
def test_a_wait_past_its_deadline_is_reported_in_one_line(line: str, message: str, tmp_path: Path) -> None:
    port = free_port()
    done = _loadtests(*line.format(port=port, folder=tmp_path).split())
    assert done.returncode == 1
    *_, error = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert message.format(port=port) in error
    assert "Traceback" not in done.stderr
    assert "resume with" not in done.stderr


def test_an_address_is_a_host_and_a_port() -> None:
    assert str(Address.parse("127.0.0.1:5557", variable="BIND")) == "127.0.0.1:5557"
    assert Address.parse("[::1]:80", variable="BIND") == Address(host="[::1]", port=80)


@pytest.mark.parametrize("text", ["", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "a b:1", "127.0.0.1:\u0665"])
def test_an_invalid_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid BIND=.*: must be HOST:PORT"):
        Address.parse(text, variable="BIND")


def test_an_address_that_does_not_resolve_is_refused() -> None:
    with pytest.raises(UsageError, match=r"invalid MASTER=nobody\.invalid:1: .*Use a name that resolves"):
        Address.parse("nobody.invalid:1", variable="MASTER")


def test_the_recorded_rate_is_the_one_that_workers_send(tmp_path: Path) -> None:
    """Of all workers together; a share of the capacity would need a measurement that a master does not make."""
    run = generator_records.distributed_run(setup(scenario="rate", rate=Rate(rps=250)))
    line = _command(run, Address(host="127.0.0.1", port=5557), 0.2, tmp_path / "load.json")
    assert "--rate=250" in line
    assert "--expect-workers-max-wait=1" in line, "Locust takes 0 for ever"
    assert line[-1] == "Rate"


def test_a_run_of_a_master_cannot_be_resumed(tmp_path: Path) -> None:
    """Its workers have ended."""
    RunFolder.create(tmp_path, generator_records.distributed_run(setup()))
    with pytest.raises(UsageError, match="was written by make master, whose runs cannot be resumed"):
        resume(str(tmp_path), "loadtest", experiment_of, Terminal())


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
        options = {
            "url": f"http://{server}:8000",
            "foreign-url": "yes",
            "bind": f"{master}:5557",
            "expect": 2,
            "users": MANY,
            "warmup": 0,
        }
        options |= {"window": window_s, "out": self.folder / "run", "patience": 40}
        self.start("master", "-m", "loadtests", "master", *(f"--{name}={value}" for name, value in options.items()))

    def join(self, name: str) -> None:
        """Start a worker."""
        self.start(name, "-m", "loadtests", "worker", f"--master={self.hosts['master'].address}:5557", "--patience=40")

    def answered(self, name: str) -> int:
        """Return the number of a host's requests that the server has answered."""
        server = self.hosts["server"]
        return server.ask(f"http://{server.address}:8000/answered").get(self.hosts[name].address, 0)

    def log(self, name: str) -> str:
        """Return the output of a program."""
        return (self.folder / f"{name}.log").read_text()

    def end(self, name: str) -> int:
        """Return a program's exit status."""
        return self.started[name].wait(timeout=60)

    def load(self) -> Load:
        """Return the load that the master wrote."""
        (visit,) = RunFolder(folder=self.folder / "run").visits()
        assert isinstance(visit, Window)
        assert visit.load is not None
        return visit.load

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


@pytest.mark.slow
def test_a_worker_that_is_killed_is_reported_and_the_others_counts_are_whole(site: Site) -> None:
    site.lead(window_s=4)
    for name in ("one", "two"):
        site.join(name)
    wait_until(lambda: min(site.answered("one"), site.answered("two")) > 2000, deadline_s=60)
    below = psutil.Process(site.started["one"].pid).children(recursive=True)
    for process in [one for one in below if _is_worker(one)]:  # all known before the first dies and others with it
        process.send_signal(signal.SIGKILL)
    assert site.end("master") == 1, site.log("master")
    assert "1 worker lost" in site.log("master")
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


@pytest.mark.slow
@pytest.mark.parallel
def test_a_worker_that_joins_late_counts_from_that_moment_and_is_reported(site: Site) -> None:
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
    assert "1 worker joined in mid-window" in site.log("master")
    load = site.load()
    (late,) = (worker for worker in load.workers if worker.joined_late)
    assert (load.workers_lost, len(load.workers), load.users) == (0, 3, MANY)
    assert late.duration_s < load.duration_s
    assert late.users == MANY // 3
    assert 0.5 * site.answered("three") <= late.requests <= site.answered("three")
    _adds_up(load)


def _loadtests(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtests", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


def _adds_up(load: Load) -> None:
    assert sum(worker.requests for worker in load.workers) == load.requests == sum(histogram.dense(load.histogram))


def _is_worker(process: psutil.Process) -> bool:
    """Whether a process is Locust itself, and not the guard that has its command line as well."""
    words: Callable[[], list[str]] = process.cmdline
    return "locust" in words() and "guard.py" not in " ".join(words())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout."""
    for name in FILES:
        file = tmp_path / "checkout" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path / "checkout"


def test_the_context_holds_the_harness_its_lock_and_its_dockerfile(root: Path, tmp_path: Path) -> None:
    context = tmp_path / "context"
    write_context(context, root=root)
    found = {str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()}
    assert found == {
        "common/records/run.py",
        "loadtests/locustfile.py",
        "loadtests/windows/wrk.lua",
        "docker/bases.toml",
        "docker/generator.Dockerfile",
        "requirements.lock",
        "Dockerfile",
    }
    assert (context / "Dockerfile").read_text() == "docker/generator.Dockerfile"


def test_modes_do_not_depend_on_the_umask(root: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        (root / "common" / "late.py").write_text("")
        write_context(tmp_path / "context", root=root)
    finally:
        os.umask(before)
    paths = list((tmp_path / "context").rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o755}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o644}
