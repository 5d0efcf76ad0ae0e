"""Stacks in containers: limits hold, exits are reported, and nothing is left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import httpx
import pytest
from docker import DockerClient
from docker.errors import APIError
from docker.models.containers import Container

import common.runtimes.container
from common.catalog.frameworks import Interface, frameworks
from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.servers import SERVERS
from common.catalog.sizes import Size
from common.catalog.stacks import Stack, image_tag, images
from common.engine.builds import build_images
from common.engine.ownership import OWNER, PLACE, WATCHDOG, remove_orphaned_containers, watched_containers
from common.errors import FailedError, UsageError
from common.host import readiness
from common.host.meters import cgroup_meter, read_cpu
from common.host.network import free_port
from common.host.ownership import owner_id, place_id
from common.host.readiness import responds
from common.packages.variants import named_stacks
from common.project import ROOT
from common.runtimes.container import (
    addresses,
    bounds,
    can_enter_namespaces,
    confine,
    created,
    host_address,
    start,
    started,
)
from common.runtimes.running_server import RunningServer, once_ready
from tests.support.toy_stacks import toy_stack

SLIM = images()["slim"]
CORES = sorted(os.sched_getaffinity(0))[:1]
DEADLINE_S = 30.0
CAP_SETUID = 7  # include/uapi/linux/capability.h
T = TypeVar("T")

THREADS = """
import threading
started = 0
stop = threading.Event()
try:
    for _ in range(200):
        threading.Thread(target=stop.wait).start()
        started += 1
except RuntimeError:
    pass
stop.set()
print(started)
"""
PRIVILEGES = """
import json, os

def may_write(path):
    try:
        open(path, "w").close()
    except OSError:
        return False
    return True

status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "user": os.getuid(),
    "writable": [path for path in ("/app/x", "/x", "/tmp/x", "/dev/shm/x") if may_write(path)],
    "capabilities": int(status["CapBnd"], 16),
    "no new privileges": status["NoNewPrivs"].strip(),
}))
"""


@pytest.fixture(scope="module")
def stack(toy_name: str, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The toy stack, built on slim."""
    toy = toy_stack(tmp_path_factory.mktemp("frameworks"), toy_name)
    build_images([toy], [SLIM], report=lambda _: None)
    return toy


@contextmanager
def serving(
    stack: Stack, size: Size | None = None, *, inside: bool = True, publish: int | None = None
) -> Iterator[RunningServer]:
    """Serve the toy's image, by default at half a vCPU."""
    size = size or Size(vcpu=0.5)
    toy = started(stack.name, image_tag(stack, SLIM), size, cores=CORES, inside=inside, publish=publish)
    with once_ready(toy) as running:
        yield running


def wait_for(poll: Callable[[], T | None], event: str) -> T:
    """Return what ``poll`` returns once that is not ``None``; fail the test at the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if (result := poll()) is not None:
            return result
        time.sleep(0.02)
    pytest.fail(f"{event} did not happen within {DEADLINE_S:g} s")


def owned_by(engine: DockerClient, pid: int) -> list[Container]:
    """Return the containers that a process owns or owned."""
    owned = engine.containers.list(all=True, filters={"label": OWNER}, ignore_removed=True)
    return [container for container in owned if container.labels[OWNER].startswith(f"{pid}:")]


def the_container(engine: DockerClient) -> Container:
    """Return the only container of this process."""
    (container,) = owned_by(engine, os.getpid())
    return container


def get(running: RunningServer, path: str) -> str:
    """Return the body of a ``GET`` sent from where the running stack's clients are."""
    code = f"import urllib.request as r; print(r.urlopen({running.url + path!r}, timeout=5).read().decode())"
    line = [*running.client_prefix, sys.executable, "-c", code]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()


def test_clients_inside_reach_the_server_on_its_loopback(stack: Stack) -> None:
    if not can_enter_namespaces():
        pytest.skip("only root may enter a container's network namespace")
    with serving(stack) as running:
        assert running.url == "http://127.0.0.1:8000"
        assert running.client_prefix[0] == "nsenter"
        assert json.loads(get(running, "/hello")) == "hello world"


def test_clients_that_may_not_enter_share_the_network_of_the_host(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch, stack: Stack
) -> None:
    monkeypatch.setattr(common.runtimes.container, "can_enter_namespaces", lambda: False)
    with serving(stack) as running:
        assert running.client_prefix == ()
        assert json.loads(get(running, "/hello")) == "hello world"
        attributes = the_container(engine).attrs
        assert attributes["HostConfig"]["NetworkMode"] == "host"
        assert not attributes["HostConfig"]["PortBindings"]
        assert "HOST=127.0.0.1" in attributes["Config"]["Env"], "no other machine can reach the server"


def test_clients_on_the_host_reach_the_address_of_the_container(stack: Stack) -> None:
    with serving(stack, inside=False) as running:
        assert running.client_prefix == ()
        assert httpx.get(f"{running.url}/hello").json() == "hello world"


def test_address_is_that_in_the_bridge_network() -> None:
    """Engines from version 29 on have it nowhere else."""
    attributes = {
        "State": {"Running": True, "Pid": 7},
        "HostConfig": {"NetworkMode": "bridge"},
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
    }
    container = mock.create_autospec(Container, instance=True, attrs=attributes)
    assert addresses(container, inside=False) == ("http://172.17.0.2:8000", "http://172.17.0.2:8000", ())
    assert addresses(container, inside=True)[1] == "http://172.17.0.2:8000"


@pytest.fixture
def bridge(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The attributes of the bridge of an engine that was just installed, on an interface that is here."""
    attributes = {
        "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]},
        "Options": {"com.docker.network.bridge.name": "lo"},
    }
    stub = mock.Mock()
    stub.networks.get("bridge").attrs = attributes
    monkeypatch.setattr(common.runtimes.container, "engine", lambda: stub)
    return attributes


@pytest.mark.usefixtures("bridge")
def test_the_address_of_this_machine_is_the_one_of_the_bridge() -> None:
    assert host_address() == "127.0.0.1"


def test_a_bridge_on_another_machine_is_refused(bridge: dict[str, Any]) -> None:
    bridge["Options"] = {"com.docker.network.bridge.name": "docker9"}
    with pytest.raises(UsageError, match=r"docker9 .* DATABASE=postgresql://"):
        host_address()


def test_a_port_is_published_only_on_request(engine: DockerClient, stack: Stack) -> None:
    port = free_port()
    with serving(stack, publish=port) as running:
        assert running.url == f"http://127.0.0.1:{port}"
        assert httpx.get(f"{running.url}/hello").json() == "hello world"
    with serving(stack):
        assert not the_container(engine).attrs["HostConfig"]["PortBindings"]


def test_a_port_in_use_is_refused(engine: DockerClient, stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"PORT={port} cannot be used"), serving(stack, publish=port):
            pytest.fail("served on a port in use")
    assert owned_by(engine, os.getpid()) == []


def test_a_missing_image_is_refused_with_the_command_that_builds_it(stack: Stack) -> None:
    missing = image_tag(stack, images()["fat"])
    with pytest.raises(UsageError, match=r"is not here\. Run: make build"):
        started(stack.name, missing, Size(), cores=CORES).__enter__()


def test_a_server_has_no_privileges_that_it_does_not_need(engine: DockerClient, stack: Stack) -> None:
    with serving(stack, Size(memory_bytes=256 * 1024**2)):
        container = the_container(engine)
        output = container.exec_run(["python3", "-c", PRIVILEGES]).output
        assert isinstance(output, bytes)
        assert json.loads(output) == {
            "user": 10001,
            "writable": ["/tmp/x", "/dev/shm/x"],  # noqa: S108 -- the container's
            "capabilities": 0,
            "no new privileges": "1",
        }
        limits = container.attrs["HostConfig"]
        assert limits["CpusetCpus"] == ",".join(map(str, CORES))
        assert limits["Memory"] == limits["MemorySwap"] == 256 * 1024**2


def test_the_health_check_works_and_is_off_while_measuring(engine: DockerClient, stack: Stack) -> None:
    with serving(stack):
        container = the_container(engine)
        assert container.attrs["Config"]["Healthcheck"]["Test"] == ["NONE"]
        assert container.exec_run(["python3", "/healthcheck.py"]).exit_code == 0
        assert container.exec_run(["python3", "/healthcheck.py"], environment={"PORT": "9"}).exit_code == 1


def test_the_quota_holds_and_the_meter_reads_it(stack: Stack) -> None:
    vcpu = 0.25
    with serving(stack, Size(vcpu=vcpu)) as running:
        meter = running.cpu_meter
        assert meter is not None
        get(running, "/spin")
        first, began = read_cpu(meter), time.perf_counter()

        def used_s() -> float | None:
            used = read_cpu(meter).cpu_s - first.cpu_s
            return used if used > 0.75 else None  # three seconds of a quarter: one period more or less is 3 %

        rate = wait_for(used_s, "0.75 CPU-seconds") / (time.perf_counter() - began)
        last = read_cpu(meter)
    assert 0.5 * vcpu < rate < 1.05 * vcpu  # a quota is a ceiling: a busy machine has less to give
    assert last.throttled_s is not None  # some kernels count the time late, but not the periods
    assert (last.throttled_periods or 0) > (first.throttled_periods or 0)


@pytest.mark.parametrize("victim", ["server", "worker"])
def test_a_kill_for_memory_is_reported(stack: Stack, victim: str) -> None:
    with serving(stack, Size(vcpu=0.5, memory_bytes=64 * 1024**2)) as running:
        assert running.exit_reason() is None
        with suppress(subprocess.CalledProcessError):  # the request fails if the server itself is killed
            get(running, f"/{victim}/grow")
        assert wait_for(running.exit_reason, "the end").startswith("killed for memory at its limit of 64 MB")


def test_an_exit_is_reported_with_its_status(engine: DockerClient, stack: Stack) -> None:
    with serving(stack) as running:
        the_container(engine).kill("KILL")
        assert wait_for(running.exit_reason, "the end").startswith("exit status 137 (killed)")
    with serving(stack) as running:
        the_container(engine).remove(force=True)
        assert running.exit_reason() == "its container was removed"


@pytest.mark.parametrize(("delay_s", "seen_s"), [(0, 0), (0.5, 0), (0.5, 1)])
def test_a_server_that_dies_at_its_start_ends_the_wait(
    engine: DockerClient,
    toy_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    delay_s: float,
    seen_s: float,
) -> None:
    """Its log is reported even if its control groups are looked for only after it has exited."""

    def late(pid: int) -> str:
        time.sleep(seen_s)
        return cgroup_meter(pid)

    monkeypatch.setattr(common.runtimes.container, "cgroup_meter", late)
    app = f"import sys, time\ntime.sleep({delay_s})\nsys.exit('no such database')\n"
    dying = toy_stack(tmp_path, f"{toy_name}_dying", app=app)
    build_images([dying], [SLIM], report=lambda _: None)
    began = time.monotonic()
    with pytest.raises(FailedError, match=r"exit status 1; the end of its log: [^\n]*no such database"), serving(dying):
        pytest.fail("served a stack that does not answer")
    assert time.monotonic() - began < 10
    assert owned_by(engine, os.getpid()) == []


def test_a_server_that_does_not_come_up_in_time_is_reported_with_the_end_of_its_log(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(url: str) -> bool:
        wait_for(lambda: responds(url) or None, "the answer, which the server logs")
        return False

    monkeypatch.setattr(readiness, "READY_DEADLINE_S", 0.0)
    traits = common.runtimes.container.ImageTraits(is_ready=asked)
    served = once_ready(started(stack.name, image_tag(stack, SLIM), Size(), cores=CORES, traits=traits))
    late = r"was not ready within 0 s\. It is still running; the end of its output: .*GET /hello"
    with pytest.raises(FailedError, match=late), served:
        pytest.fail("served a stack that is not ready")


def test_the_container_is_removed_whatever_ends_the_block(engine: DockerClient, stack: Stack) -> None:
    def fail() -> None:
        with serving(stack):
            assert owned_by(engine, os.getpid())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert owned_by(engine, os.getpid()) == []


HARNESS = """
import sys
from pathlib import Path
from typing import Any, TypeVar
from common.catalog.sizes import Size
from common.catalog.stacks import Stack
from common.catalog.frameworks import Framework
from common.runtimes.running_server import once_ready
from common.runtimes.container import (
    addresses,
    bounds,
    can_enter_namespaces,
    confine,
    created,
    host_address,
    start,
    started,
)
from common.catalog.servers import SERVERS
stack = Stack(framework=Framework.load(Path(sys.argv[1])), server=SERVERS["native"])
with once_ready(started(stack.name, sys.argv[2], Size(vcpu=0.5), cores=[int(sys.argv[3])])):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_harness_leaves_no_container(engine: DockerClient, stack: Stack, number: signal.Signals) -> None:
    line = [sys.executable, "-c", HARNESS, str(stack.framework.folder), image_tag(stack, SLIM), str(CORES[0])]
    with subprocess.Popen(
        line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == b"up\n"
        assert len(owned_by(engine, harness.pid)) == 1
        os.killpg(harness.pid, number)
        wait_for(lambda: None if owned_by(engine, harness.pid) else True, "the removal of the container")


def test_an_engine_that_gives_no_explanation_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = mock.Mock(side_effect=APIError("502 Server Error"))
    broken = mock.Mock(start=refused, **{"containers.create": refused})
    monkeypatch.setattr(common.runtimes.container, "engine", lambda: broken)
    with (
        pytest.raises(UsageError, match=r"^no container of app:1 can be created: 502 Server Error$"),
        created("app:1", {}, {}),
    ):
        pytest.fail("it was created")
    with pytest.raises(UsageError, match=r"^app:1 cannot be started: 502 Server Error$"):
        start(broken, "app:1")


def test_a_sweep_removes_only_orphans(engine: DockerClient, stack: Stack) -> None:
    with subprocess.Popen(["true"]) as exited:
        orphan = owner_id(exited.pid)
    reused = owner_id(os.getpid()).partition(":")[0] + ":1"
    here, left = {PLACE: place_id()}, {"alive", "elsewhere"}
    labels = {
        "orphan": {OWNER: orphan, **here},
        "orphan of an earlier version": {OWNER: orphan},
        "reused PID": {OWNER: reused, **here},
        "alive": {OWNER: owner_id(os.getpid()), **here},
        "elsewhere": {OWNER: reused, PLACE: "another machine:boot:1"},
    }
    containers = {
        name: engine.containers.create(image_tag(stack, SLIM), labels={**own, WATCHDOG: "none"})
        for name, own in labels.items()
    }
    try:
        remove_orphaned_containers()
        present = {str(row["Id"]) for row in engine.api.containers(all=True, filters={"label": f"{WATCHDOG}=none"})}
        assert {name for name, container in containers.items() if container.id in present} == left
    finally:
        for name in left:
            containers[name].remove(force=True)


@contextmanager
def _confined(engine: DockerClient, options: dict[str, Any], code: str) -> Iterator[str]:
    """Run code in a container and yield what it prints."""
    with watched_containers() as labels:
        container = engine.containers.create(
            SLIM.base(DEFAULT_PYTHON), ["python3", "-c", code], labels=labels, **options
        )
        try:
            container.start()
            container.wait(timeout=30)
            yield container.logs().decode().strip()
        finally:
            container.remove(force=True, v=True)


def test_number_of_threads_is_limited(engine: DockerClient) -> None:
    with _confined(engine, confine() | {"pids_limit": 50}, THREADS) as output:
        assert int(output) == 49


def test_container_has_no_rights_that_it_does_not_need(engine: DockerClient) -> None:
    with _confined(engine, confine() | {"user": "65534:65534"}, PRIVILEGES) as output:
        assert json.loads(output) == {
            "user": 65534,
            "writable": ["/tmp/x", "/dev/shm/x"],  # noqa: S108 -- the container's
            "capabilities": 0,
            "no new privileges": "1",
        }


def test_guest_has_the_rights_that_docker_run_gives(engine: DockerClient) -> None:
    with _confined(engine, bounds(), PRIVILEGES) as output:
        has = json.loads(output)
    assert (has["user"], has["no new privileges"]) == (0, "0")
    assert {"/x", "/tmp/x"} <= set(has["writable"])  # noqa: S108 -- the container's
    assert has["capabilities"] & (1 << CAP_SETUID)


def test_memory_is_limited_to_half_of_the_machine_unless_a_limit_is_chosen() -> None:
    machine_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert bounds()["mem_limit"] == bounds()["memswap_limit"] == machine_bytes // 2
    assert bounds(64 * 1024**2)["mem_limit"] == bounds(64 * 1024**2)["memswap_limit"] == 64 * 1024**2


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("server", [name for name in SERVERS if name != "native"])
def test_every_server_finds_the_app_in_its_image(server: str) -> None:
    floor = "raw_wsgi" if Interface.WSGI in SERVERS[server].interfaces else "raw_asgi"
    (stack,) = named_stacks(floor, server, frameworks())
    build_images([stack], [SLIM], report=lambda _: None)
    with once_ready(started(stack.name, image_tag(stack, SLIM), Size(), cores=CORES, inside=False)) as running:
        assert httpx.get(f"{running.url}/hello").status_code == httpx.codes.OK
