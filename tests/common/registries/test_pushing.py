"""Pushed images are in the registry with the sizes it serves, and a push leaves nothing else behind."""

import base64
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import httpx
import pytest
from botocore.stub import Stubber
from docker import DockerClient

from common.engine.ownership import TEMPORARY, temporary_resources
from common.errors import FailedError, UsageError
from common.project import ROOT
from common.registries import local, pushing
from common.registries.api import RegistryAddress
from common.registries.ecr import Ecr
from common.registries.local import local_registry as open_registry
from common.registries.pushing import Pusher, registry_pusher
from tests.conftest import absent
from tests.support.tiny_images import tags_below, tiny_image
from tests.support.waiting import wait_until

HTPASSWD = "reader:$2y$04$7gNN0QUN6bTcF.Kk/9vejec0X6Rrn5Evo4vcKBNUsyCDO6nKOyeKm\n"
PASSWORD = "sesame"  # noqa: S105 -- the one in HTPASSWD


@pytest.fixture
def _program() -> None:
    try:
        local.require_program()
    except UsageError as error:
        absent(str(error))


@pytest.fixture
def host(engine: DockerClient, _program: None, tmp_path: Path) -> Iterator[str]:  # noqa: ARG001 -- no use without an engine
    with open_registry(tmp_path) as host:
        yield host


@pytest.fixture
def locked(engine: DockerClient, _program: None, tmp_path: Path) -> Iterator[str]:  # noqa: ARG001
    """The address of a registry that asks for a password."""
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    with open_registry(tmp_path, htpasswd=tmp_path / "htpasswd") as host:
        yield host


@pytest.fixture
def image(engine: DockerClient) -> Iterator[str]:
    with tiny_image(engine) as tag:
        yield tag


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("REGISTRY_USER", "REGISTRY_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


def test_size_of_a_pushed_image_is_what_the_registry_serves(host: str, image: str) -> None:
    with registry_pusher(RegistryAddress(host=host, prefix="team")) as pusher:
        pushed = pusher.push(image)
    name, _, tag = image.rpartition(":")
    assert pushed.reference == f"{host}/team/{name}:{tag}"
    blobs = [httpx.head(f"http://{host}/v2/team/{name}/blobs/{layer.digest}") for layer in pushed.manifest.layers]
    assert pushed.manifest.compressed_bytes == sum(int(blob.headers["Content-Length"]) for blob in blobs) > 1000
    manifest = httpx.head(f"http://{host}/v2/team/{name}/manifests/{pushed.manifest.digest}")
    assert manifest.status_code == 200


def test_push_leaves_no_tag_and_no_folder_behind(engine: DockerClient, host: str, image: str) -> None:
    with registry_pusher(RegistryAddress(host=host)) as pusher:
        pusher.push(image)
    assert tags_below(engine, host) == []
    assert engine.images.get(image).attrs["RepoDigests"] == []
    assert not list(TEMPORARY.glob(f"{os.getpid()}.*"))


def test_tag_that_existed_before_is_kept(engine: DockerClient, host: str, image: str) -> None:
    engine.images.get(image).tag(f"{host}/{image}")
    try:
        with registry_pusher(RegistryAddress(host=host)) as pusher:
            pusher.push(image)
        assert tags_below(engine, host) == [f"{host}/{image}"]
    finally:
        engine.images.remove(f"{host}/{image}")


def test_login_in_the_environment_is_used(
    locked: str, image: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REGISTRY_USER", "reader")
    monkeypatch.setenv("REGISTRY_PASSWORD", PASSWORD)
    with registry_pusher(RegistryAddress(host=locked)) as pusher:
        pushed = pusher.push(image)
        assert PASSWORD not in repr(pusher)
    assert pushed.manifest.compressed_bytes > 1000
    assert not (tmp_path / "docker").exists(), "Docker's configuration stays as it is"


def test_login_stored_by_docker_is_used(locked: str, image: str, tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    auth = "cmVhZGVyOnNlc2FtZQ=="  # reader:sesame
    (tmp_path / "docker" / "config.json").write_text(f'{{"auths": {{"{locked}": {{"auth": "{auth}"}}}}}}')
    with registry_pusher(RegistryAddress(host=locked)) as pusher:
        assert pusher.push(image).manifest.compressed_bytes > 1000


def test_push_to_ecr_logs_in_and_creates_the_repository(
    locked: str, image: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The answers of AWS are stubs; the registry, its password and the push are real."""
    client = boto3.client("ecr", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")  # noqa: S106
    token = base64.b64encode(f"reader:{PASSWORD}".encode()).decode()
    name = image.rpartition(":")[0]
    with Stubber(client) as stubber:
        stubber.add_response("get_authorization_token", {"authorizationData": [{"authorizationToken": token}]})
        stubber.add_client_error("describe_repositories", "RepositoryNotFoundException")
        stubber.add_response("create_repository", {"repository": {}}, {"repositoryName": name})
        monkeypatch.setattr(pushing, "connect_ecr", lambda _: Ecr(client=client, account=None))
        with registry_pusher(RegistryAddress(host=locked), ecr=True) as pusher:
            assert pusher.push(image).manifest.compressed_bytes > 1000
        stubber.assert_no_pending_responses()
    assert not (tmp_path / "docker").exists()


@pytest.mark.parametrize("password", [None, "wrong"])
def test_refused_login_is_an_error_before_anything_is_pushed(
    locked: str, password: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if password is not None:
        monkeypatch.setenv("REGISTRY_USER", "reader")
        monkeypatch.setenv("REGISTRY_PASSWORD", password)
    with (
        pytest.raises(UsageError, match=rf"^REGISTRY={locked} refuses the login\. Run: docker login [^\n]*$"),
        registry_pusher(RegistryAddress(host=locked)),
    ):
        pass


def test_login_that_expires_before_the_push_is_an_error(
    locked: str, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_USER", "reader")
    monkeypatch.setenv("REGISTRY_PASSWORD", PASSWORD)
    with registry_pusher(RegistryAddress(host=locked)) as pusher:
        stale = Pusher(registry=pusher.registry, login=None, temporary=pusher.temporary)
        with pytest.raises(FailedError, match=rf"^REGISTRY={locked} refuses the login"):
            stale.push(image)


@contextmanager
def registry_dying_on_upload() -> Iterator[str]:
    """Serve a registry that answers ``/v2/``, has no layers, and goes down for good at the first upload."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    request = connection.recv(65536)
                    if request.startswith(b"POST"):
                        listener.shutdown(socket.SHUT_RDWR)
                        return
                    status = b"200 OK" if request.startswith(b"GET /v2/ ") else b"404 Not Found"
                    connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    thread.join(timeout=5)


def test_registry_going_down_during_a_push_ends_it_at_once(engine: DockerClient, image: str) -> None:
    with registry_dying_on_upload() as host:
        with (
            registry_pusher(RegistryAddress(host=host)) as pusher,
            pytest.raises(FailedError, match=rf"(REGISTRY=)?{host}[^\n]*$"),
        ):
            pusher.push(image)
        assert tags_below(engine, host) == []


def test_leftovers_of_a_killed_push_are_removed_by_the_next(engine: DockerClient, host: str, image: str) -> None:
    code = (
        "import sys, time; from common.engine.ownership import TEMPORARY, temporary_resources\n"
        "with temporary_resources() as temporary, temporary.tagged(sys.argv[1], sys.argv[2]):\n"
        "    print(temporary.folder, flush=True); time.sleep(60)"
    )
    line = [sys.executable, "-c", code, image, f"{host}/{image}"]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        folder = Path(killed.stdout.readline().strip())
        assert tags_below(engine, host) == [f"{host}/{image}"]
        with temporary_resources():
            assert folder.exists(), "its owner is alive"
        killed.send_signal(signal.SIGKILL)
    assert tags_below(engine, host) == [f"{host}/{image}"]
    with temporary_resources():
        pass
    assert not folder.exists()
    assert tags_below(engine, host) == []
    assert engine.images.get(image)


def test_file_in_place_of_the_cache_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / ".cache").touch()
    with (
        pytest.raises(UsageError, match=rf"^{tmp_path}/\.cache is not a folder"),
        temporary_resources(tmp_path / ".cache" / "temporary"),
    ):
        pytest.fail("a folder was created")


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("reference", ["UPPER/x:1", "registry.example/" + "x" * 250 + ":1"])
def test_tag_with_an_invalid_name_is_one_clear_error(tmp_path: Path, reference: str) -> None:
    with (
        temporary_resources(tmp_path) as temporary,
        pytest.raises(UsageError, match=rf"^cannot look up the image {reference}: [^\n]*$"),
        temporary.tagged("python:3.13-slim", reference),
    ):
        pytest.fail("the tag was accepted")


@pytest.mark.usefixtures("engine")
def test_tag_of_a_missing_image_is_one_clear_error(tmp_path: Path) -> None:
    with (
        temporary_resources(tmp_path) as temporary,
        pytest.raises(FailedError, match=r"^nowhere/nothing:1 cannot be tagged as toy:1: [^\n]*$"),
        temporary.tagged("nowhere/nothing:1", "toy:1"),
    ):
        pytest.fail("the tag was accepted")


@pytest.mark.usefixtures("_program")
def test_local_registry_ends_with_its_killed_owner(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time; from common.registries.local import local_registry\n"
        "with local_registry(pathlib.Path(sys.argv[1])) as host: print(host, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        host = killed.stdout.readline().strip()
        assert httpx.get(f"http://{host}/v2/").status_code == 200
        killed.send_signal(signal.SIGKILL)
    wait_until(lambda: not _listens(host))


def test_missing_registry_program_is_one_line_that_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        UsageError, match=r"^docker-registry is not on PATH.*apt-get install docker-registry.*REGISTRY=$"
    ):
        local.require_program()


def _listens(host: str) -> bool:
    name, _, port = host.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((name, int(port))) == 0
