"""Servers of the user's own: an image that is run, or a server that is already up."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import docker
import psutil
import pytest
from docker.errors import APIError
from msgspec.structs import replace

import common.runtimes.container
from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.sizes import Size
from common.catalog.stacks import images
from common.engine.build_context import PORT
from common.engine.client import engine, engine_answers
from common.errors import FailedError, UsageError
from common.host.cores import Cores
from common.host.readiness import answers
from common.project import PROJECT, ROOT
from common.records.run import Guest
from common.runtimes import guests
from common.runtimes.candidates import candidate_from_cell, guest_candidate
from common.runtimes.container import ImageTraits
from common.runtimes.guests import guest_at, how_to_pin, image_guest, parse_capabilities
from common.runtimes.running_server import RunningServer
from loadtests.campaign.manifest import cell_of, controls
from tests.common.conformance.good_server import Good, serving
from tests.support.records import cell
from tests.support.tiny_images import tar_of

needs_docker = pytest.mark.skipif(not engine_answers(), reason="no Docker engine answers")
ANYWHERE = "0.0.0.0"  # noqa: S104 -- within the container
APP = ROOT / "loadtests" / "targets" / "trivial_server.py"


def test_a_server_that_is_up_is_measured_where_it_is() -> None:
    with serving(Good) as url:
        guest = guest_at(url, pid=os.getpid(), container_name=None)
        candidate = guest_candidate(guest)
        with candidate.serve(Size(), cores=()) as running:
            assert (running.url, running.cpu_meter, running.client_prefix) == (url, f"tree:{os.getpid()}", ())
            assert running.exit_reason() is None
        assert answers(url)
    assert not answers(url)
    assert candidate.name == url


def test_a_process_that_has_ended_is_the_reason_why_its_server_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with guest_candidate(Guest(url="http://127.0.0.1:9", meter=f"tree:{process.pid}")).serve(
        Size(), cores=()
    ) as running:
        assert running.exit_reason() == f"process {process.pid} has ended"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is only one core")
def test_a_server_that_may_use_the_generators_cores_is_reported_until_it_is_pinned() -> None:
    first, *others = sorted(os.sched_getaffinity(0))
    cores = Cores(server=(first,), generator=tuple(others))
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(flush=True); input()'])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # its child has been started
        guest = guest_at("http://127.0.0.1:9", pid=process.pid, container_name=None)
        (child,) = psutil.Process(process.pid).children()
        advice = how_to_pin(guest, cores)
        assert advice is not None
        assert advice.endswith(f"taskset -apc {first} {process.pid}; taskset -apc {first} {child.pid}")
        assert how_to_pin(guest, Cores(server=(first,), generator=(first, *others))) is None, "all cores are shared"
        os.sched_setaffinity(process.pid, [first])
        assert how_to_pin(guest, cores) is not None, "its child is not pinned yet"
        os.sched_setaffinity(child.pid, [first])
        assert how_to_pin(guest, cores) is None
        process.communicate(b"\n")
    assert how_to_pin(guest, cores) is None, "it has ended"


def test_nothing_is_said_about_a_server_whose_processes_are_not_known() -> None:
    assert how_to_pin(Guest(url="http://127.0.0.1:9"), Cores(server=(0,), generator=(0, 1))) is None
    assert how_to_pin(Guest(url="http://127.0.0.1:9"), Cores(server=(), generator=(0,))) is None


def test_a_guest_is_recorded_as_what_it_is_and_can_be_brought_up_again() -> None:
    guest = Guest(url="http://127.0.0.1:9")
    recorded = cell_of(guest_candidate(guest), None)
    assert (recorded.name, recorded.guest, recorded.version, recorded.is_floor) == (guest.url, guest, None, False)
    assert candidate_from_cell(recorded) == guest_candidate(guest)


@pytest.mark.parametrize(
    ("asked", "parsed"),
    [("", ""), ("Default", "default"), ("net_bind_service, CAP_SETUID,SETUID", "NET_BIND_SERVICE,SETUID")],
)
def test_capabilities_are_read_as_docker_spells_them(asked: str, parsed: str) -> None:
    assert parse_capabilities(asked) == parsed


@pytest.mark.parametrize("asked", ["SYS_ADMIN", "ALL", "SETUID,all"])
def test_no_more_capabilities_than_dockers_own_are_given(asked: str) -> None:
    with pytest.raises(UsageError, match=r"^TARGET_CAPS=(SYS_ADMIN|ALL) is unknown\. Accepted: .*SETUID.*default\.$"):
        parse_capabilities(asked)


@pytest.mark.parametrize(
    ("capabilities", "dropped", "added"),
    [("", ["ALL"], []), ("SETUID,KILL", ["ALL"], ["SETUID", "KILL"]), ("default", None, None)],
)
def test_a_container_has_only_the_capabilities_asked_for(
    monkeypatch: pytest.MonkeyPatch, capabilities: str, dropped: list[str] | None, added: list[str] | None
) -> None:
    seen: list[dict[str, Any]] = []

    @contextmanager
    def ends_at_once(*_: Any, traits: ImageTraits, **__: Any) -> Iterator[RunningServer]:  # noqa: ANN401 -- not used
        seen.append(traits.confine(None))
        raise FailedError("app:1 ended at once: exit status 1; its log is empty")
        yield

    monkeypatch.setattr(common.runtimes.container, "started", ends_at_once)
    hint = re.escape(f" It ran with {capabilities or 'no'} capabilities; to give it Docker's: TARGET_CAPS=default.")
    guest = guest_candidate(Guest(image="app:1", capabilities=capabilities))
    with (
        pytest.raises(FailedError, match="log is empty" + ("$" if dropped is None else hint)),
        guest.serve(Size(), cores=()),
    ):
        pass
    assert [(one.get("cap_drop"), one.get("cap_add")) for one in seen] == [(dropped, added)]


def test_a_server_that_is_already_up_has_no_second_copy() -> None:
    up = cell_of(guest_candidate(Guest(url="http://127.0.0.1:9")), None)
    assert controls([up], 1, count=2) == []
    assert [one.control_of for one in controls([up, cell("a+b")], 1, count=2)] == ["a+b"]


@pytest.mark.parametrize(
    ("pid", "name", "message"),
    [
        (2**22 + 1, None, f"invalid PID={2**22 + 1}: there is no such process"),
        (1, "x", "both name a server: leave one out"),
    ],
)
def test_whose_cpu_time_cannot_be_read_is_named(pid: int | None, name: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        guest_at("http://127.0.0.1:9", pid=pid, container_name=name)


@pytest.mark.parametrize(
    ("exposed", "inside", "port"),
    [(["80/tcp"], True, 80), (["80/tcp", "443/tcp"], True, PORT), (["53/udp"], False, PORT), ([], False, PORT)],
)
def test_an_image_is_expected_on_its_one_exposed_port(
    monkeypatch: pytest.MonkeyPatch, exposed: list[str], port: int, *, inside: bool
) -> None:
    _image_that_exposes(monkeypatch, exposed, inside=inside)
    assert image_guest("app:1") == Guest(image="app:1", port=port, capabilities="")


def test_a_container_whose_process_is_not_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    away = SimpleNamespace(attrs={"State": {"Running": True, "Pid": 2**22 + 1}})
    monkeypatch.setattr(guests, "engine", lambda: SimpleNamespace(containers=SimpleNamespace(get=lambda _: away)))
    with pytest.raises(UsageError, match="invalid CONTAINER=app: its process 4194305 has ended, or is on another"):
        guest_at("http://127.0.0.1:9", pid=None, container_name="app")


@pytest.mark.parametrize("variables", [[], ["PORT=8080"]])
def test_an_exposed_port_that_cannot_be_loaded_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: list[str]
) -> None:
    _image_that_exposes(monkeypatch, ["80/tcp"], variables, inside=False)
    for ask in (
        lambda: image_guest("app:1"),
        lambda: candidate_from_cell(replace(cell("app:1"), guest=Guest(image="app:1", port=80, capabilities=""))),
    ):
        with pytest.raises(UsageError, match=r"TARGET_IMAGE=app:1 exposes port 80, .* root"):
            ask()


def test_an_engine_that_gives_no_explanation_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise APIError("502 Server Error")

    resource = SimpleNamespace(get=refuse)
    monkeypatch.setattr(guests, "engine", lambda: SimpleNamespace(images=resource, containers=resource))
    with pytest.raises(UsageError, match=r"^TARGET_IMAGE=app:1 is not available: 502 Server Error$"):
        image_guest("app:1")
    with pytest.raises(UsageError, match=r"^invalid CONTAINER=app: 502 Server Error$"):
        guest_at("http://127.0.0.1:9", pid=None, container_name="app")


def test_an_exposed_port_can_be_loaded_if_the_image_sets_the_variable_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _image_that_exposes(monkeypatch, ["80/tcp"], ["PORT=80"], inside=False)
    assert image_guest("app:1") == Guest(image="app:1", port=80, capabilities="")


def _image_that_exposes(
    monkeypatch: pytest.MonkeyPatch, ports: list[str], variables: Sequence[str] = (), *, inside: bool
) -> None:
    """Have the engine hold one image, and this user enter network namespaces if ``inside``."""
    image = SimpleNamespace(attrs={"Config": {"ExposedPorts": {port: {} for port in ports}, "Env": variables}})
    monkeypatch.setattr(guests, "engine", lambda: SimpleNamespace(images=SimpleNamespace(get=lambda _: image)))
    monkeypatch.setattr(common.runtimes.container, "can_enter_namespaces", lambda: inside)


@pytest.fixture
def image() -> Iterator[str]:
    """An image of a server that listens on a port of its own choice, which it exposes."""
    client = docker.from_env()
    tag = f"{PROJECT}/guest_{secrets.token_hex(4)}:1"
    container = client.containers.create(
        images()["slim"].base(DEFAULT_PYTHON), ["python3", "-P", "/app.py", ANYWHERE, "9000"], user="0"
    )
    try:
        container.put_archive("/", tar_of({"app.py": APP.read_bytes()}))
        container.commit(*tag.split(":"), changes=["EXPOSE 9000"])
    finally:
        container.remove(force=True)
    try:
        yield tag
    finally:
        client.images.remove(tag, force=True)


@needs_docker
@pytest.mark.slow
@pytest.mark.parallel
def test_an_image_is_run_on_the_port_that_it_exposes_and_may_write(image: str) -> None:
    guest = image_guest(image)
    assert guest == Guest(image=image, port=9000, capabilities="")
    candidate = guest_candidate(guest)
    with candidate.serve(Size(), cores=[0], inside=False) as running:
        assert running.url.endswith(":9000")
        assert answers(running.url)
        (container,) = engine().containers.list(filters={"ancestor": image})
        assert container.exec_run(["touch", "/written"]).exit_code == 0
        assert container.attrs["HostConfig"]["PidsLimit"] == 4096
        assert container.exec_run(["grep", "-x", "CapBnd:.0*", "/proc/1/status"]).exit_code == 0, "no capabilities"
    assert engine().containers.list(all=True, filters={"ancestor": image}) == []
    recorded = cell_of(candidate, None)
    assert recorded.image_id == engine().images.get(image).id
    assert [one.control_of for one in controls([recorded], 1)] == [image]


@needs_docker
@pytest.mark.slow
@pytest.mark.parallel
def test_an_image_or_a_container_that_does_not_exist_is_named() -> None:
    with pytest.raises(UsageError, match=r"TARGET_IMAGE=no\.such\.invalid/app:1 is not available: "):
        image_guest("no.such.invalid/app:1")
    with pytest.raises(UsageError, match="invalid CONTAINER=no-such-container: "):
        guest_at("http://127.0.0.1:9", pid=None, container_name="no-such-container")
