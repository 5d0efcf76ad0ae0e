"""The compose file: its commands are valid, its images can be built, and it measures."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from docker import DockerClient

from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.stacks import GENERATOR, image_tag, images
from common.console import Terminal
from common.engine.builds import build_images
from common.project import ROOT
from loadtests.__main__ import command_line
from loadtests.experiments.distributed.experiment import build_generator
from tests.conftest import absent
from tests.support.toy_stacks import toy_stack

FILE = ROOT / "docker" / "compose.yaml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
SLIM = images()["slim"]


@pytest.mark.parametrize("name", ["master", "worker"])
def test_a_service_calls_a_command_with_values_that_it_takes(name: str) -> None:
    app = command_line()
    words = [re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", word) for word in SERVICES[name]["command"]]
    command, bound, _ = app.parse_args(words, exit_on_error=False)
    assert command is app[name].default_command
    assert len(bound.arguments) == len(words) - 1


def test_services_have_the_images_that_make_builds() -> None:
    falcon = "api-framework-benchmark/falcon:gunicorn-gthread-slim-py3.13"
    defaults = {name: re.sub(r".*:-([^}]*)\}", r"\1", service["image"]) for name, service in SERVICES.items()}
    assert defaults == {"server": falcon, "master": GENERATOR, "worker": GENERATOR}


def test_the_server_has_a_worker_for_each_vcpu_that_is_asked_for() -> None:
    """Not those of WORKERS, which are the load generator's."""
    server = SERVICES["server"]
    assert server["environment"] == {"WORKERS": "${SERVER_WORKERS:-1}"}
    assert (server["cpus"], server["cpuset"]) == ("${VCPU:-1}", "${SERVER_CORES:-0}")


@pytest.fixture(scope="module")
def environment(
    engine: DockerClient, toy_name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Build images for the file to use."""
    toy = toy_stack(tmp_path_factory.mktemp("frameworks"), toy_name)
    build_images([toy], [SLIM], report=lambda _: None)
    generator = build_generator(DEFAULT_PYTHON, Terminal().messages, tag=f"{GENERATOR}:{toy_name}")
    cores = sorted(os.sched_getaffinity(0))
    yield {
        "SERVER_IMAGE": image_tag(toy, SLIM),
        "GENERATOR_IMAGE": generator,
        "SERVER_CORES": str(cores[0]),
        "GENERATOR_CORES": str(cores[-1]),
        "COMPOSE_PROJECT_NAME": toy_name,
        "WARMUP": "0.5",
        "WINDOW": "1",
        "USERS": "4",
    }
    engine.images.remove(generator, force=True)


@pytest.mark.parallel
@pytest.mark.long
def test_two_workers_in_containers_measure_a_server_in_a_third(environment: dict[str, str]) -> None:
    """On the machine's own compose, either its first or its second version."""
    program = _compose()
    try:
        _run(*program, "up", "--detach", "--scale", "worker=2", "server", "worker", env=environment)
        done = _run(*program, "run", "--rm", "--use-aliases", "master", env=environment)
    finally:
        _run(*program, "down", "--timeout=1", env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^[1-9][\d,]* req/s; p50 ", done.stdout, re.MULTILINE)
    assert len(re.findall(r"^ *[0-9a-f]{12}_[0-9a-f]{32} +2 ", done.stdout, re.MULTILINE)) == 2, done.stdout


def _compose() -> list[str]:
    if (old := shutil.which("docker-compose")) is not None:
        return [old, "-f", str(FILE)]
    if _run("docker", "compose", "version").returncode != 0:
        absent("no compose is here (Debian: apt-get install docker-compose)")
    return ["docker", "compose", "-f", str(FILE)]


def _run(*line: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line, env=os.environ | (env or {}), cwd=Path("/"), capture_output=True, text=True, timeout=180, check=False
    )
