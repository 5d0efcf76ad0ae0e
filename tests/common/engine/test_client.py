"""The choice of engine and client, and the error if there is none."""

import gc
from pathlib import Path

import pytest
from docker.errors import APIError, DockerException
from requests import ConnectionError as LostConnectionError

import common.engine.client
from common.engine.client import build_client, build_environment, engine, engine_failure_named, variables_of
from common.errors import FailedError, UsageError

CLIENT = """#!/bin/sh
[ -z "$DOCKER_CONTEXT" ] || {{ echo asked another engine >&2; exit 1; }}
case "$1" in
  version) echo {version} 20.10.24 ;;
  buildx) exit {buildx} ;;
esac
"""


@pytest.fixture
def _any_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common.engine.client, "engine", lambda: None)


def install_client(folder: Path, version: str, *, buildx: bool) -> str:
    """Write a fake client into ``folder``, and return the folder for ``PATH``."""
    folder.mkdir()
    client = folder / "docker"
    client.write_text(CLIENT.format(version=version, buildx=0 if buildx else 1))
    client.chmod(0o755)
    return str(folder)


def test_error_without_an_engine_points_to_the_process_runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    engine.cache_clear()
    try:
        with pytest.raises(UsageError, match=r"no Docker engine answers .*RUNTIME=process"):
            engine()
    finally:
        engine.cache_clear()
        gc.collect()


def test_variables_of_an_image_are_none_where_it_sets_none() -> None:
    assert variables_of({"Config": {"Env": ["PORT=80", "OPTIONS=a=b"]}}) == {"PORT": "80", "OPTIONS": "a=b"}
    assert variables_of({"Config": {"Env": None}}) == {}


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (LostConnectionError("Connection aborted."), "no longer answers: Connection aborted."),
        (DockerException("no such socket"), "no longer answers: no such socket"),
        (APIError("500 Server Error", explanation="no space left"), "refused a request: no space left"),
    ],
)
def test_engine_that_fails_is_one_line(error: Exception, named: str) -> None:
    with pytest.raises(FailedError) as failure, engine_failure_named():
        raise error
    assert str(failure.value) == f"the Docker engine {named}"


@pytest.mark.usefixtures("_any_engine")
@pytest.mark.parametrize(
    ("clients", "chosen"),
    [
        ([("20.10.24", False)], 0),
        ([("28.2.2", True)], 0),
        ([("28.2.2", False), ("20.10.24", False)], 1),
        ([("19.03.1", False), ("27.0.0", True)], 1),
    ],
)
def test_build_client_is_the_first_one_with_buildkit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clients: list[tuple[str, bool]], chosen: int
) -> None:
    folders = [install_client(tmp_path / str(n), version, buildx=has) for n, (version, has) in enumerate(clients)]
    monkeypatch.setenv("PATH", ":".join(folders))
    assert build_client() == f"{folders[chosen]}/docker"


@pytest.mark.usefixtures("_any_engine")
@pytest.mark.parametrize(
    ("host", "engine_of_builds"),
    [(None, "unix:///var/run/docker.sock"), ("tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375")],
)
def test_client_builds_with_the_engine_that_has_the_images_whatever_its_context(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str | None, engine_of_builds: str
) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "desktop-linux")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    if host is not None:
        monkeypatch.setenv("DOCKER_HOST", host)
    monkeypatch.setenv("PATH", install_client(tmp_path / "bin", "20.10.24", buildx=False))
    assert build_client() == f"{tmp_path}/bin/docker"
    environment = build_environment()
    assert (environment["DOCKER_HOST"], environment.get("DOCKER_CONTEXT")) == (engine_of_builds, None)


@pytest.mark.usefixtures("_any_engine")
def test_error_names_each_client_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", install_client(tmp_path / "new", "28.2.2", buildx=False))
    with pytest.raises(UsageError, match=r"new/docker: client 28\.2\.2 has no buildx plugin"):
        build_client()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="there is no docker on PATH"):
        build_client()
