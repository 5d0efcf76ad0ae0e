"""Containers end by themselves at their deadline, on every base image, whatever their server does."""

import re
import time
from collections.abc import Iterator

import pytest
from docker import DockerClient
from docker.errors import ImageNotFound
from docker.models.containers import Container

from common.aws.requests import DEADLINE_STATUS, START, TIMER
from common.aws.tasks import task_definition
from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.stacks import Stack, image_tag, images
from common.project import ROOT
from common.runtimes.fargate import started
from tests.conftest import absent
from tests.support.fake_aws import Endpoint
from tests.support.fargate_settings import ONE, SLIM, fargate_settings
from tests.support.waiting import wait_until

IGNORES_SIGNALS = """
import signal, time
for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("up", flush=True)
time.sleep(99)
"""


class Timed:
    """Containers whose command runs under the timer."""

    def __init__(self, engine: DockerClient, base: str) -> None:
        self._engine, self._base = engine, base
        self.containers: list[Container] = []

    def run(self, code: str, *, ends_in_s: float = 60, lifetime_s: int = 60) -> Container:
        """Run a Python program that is to end at an instant, or after a lifetime."""
        container = self._engine.containers.run(
            self._base,
            entrypoint=["/bin/sh", "-c", TIMER, "sh"],
            command=["python3", "-c", code],
            environment={"ENDS_AT": str(int(time.time() + ends_in_s)), "LIFETIME_S": str(lifetime_s)},
            user="10001:10001",
            cap_drop=["ALL"],
            network_mode="none",
            detach=True,
        )
        self.containers.append(container)
        return container


@pytest.fixture(params=["fat", "slim", "alpine"])
def timed(engine: DockerClient, request: pytest.FixtureRequest) -> Iterator[Timed]:
    """A function that runs containers of a base image, which are removed afterwards."""
    base = images()[request.param].base(DEFAULT_PYTHON)
    try:
        engine.images.get(base)
    except ImageNotFound:
        absent(f"{base} is not here. Run: make bases, or docker pull {base}")
    containers = Timed(engine, base)
    yield containers
    for container in containers.containers:
        container.remove(force=True)


def status(container: Container) -> int:
    """Wait for a container's end and return its exit status."""
    return int(container.wait(timeout=20)["StatusCode"])


def test_a_server_that_ignores_signals_ends_at_its_deadline(timed: Timed) -> None:
    started_s = time.monotonic()
    containers = [
        timed.run(IGNORES_SIGNALS, ends_in_s=2),
        timed.run(IGNORES_SIGNALS, lifetime_s=2),
        timed.run(IGNORES_SIGNALS, ends_in_s=-100),
    ]
    assert [status(container) for container in containers] == [DEADLINE_STATUS] * 3
    assert time.monotonic() - started_s < 10
    assert b"this container has reached its deadline" in containers[0].logs()


def test_a_server_that_ignores_signals_is_stopped_at_once(timed: Timed) -> None:
    container = timed.run(IGNORES_SIGNALS)
    wait_until(lambda: b"up" in container.logs())
    started_s = time.monotonic()
    container.stop(timeout=15)
    assert time.monotonic() - started_s < 5


@pytest.mark.parametrize(
    ("code", "expected"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_a_server_that_ends_before_hands_on_its_exit_status(timed: Timed, code: str, expected: int) -> None:
    assert status(timed.run(code)) == expected


def test_the_timer_runs_what_the_images_would() -> None:
    (command,) = [line for line in (ROOT / "docker" / "Dockerfile").read_text().splitlines() if line.startswith("CMD")]
    assert command == f'CMD ["{START[0]}"]'


def test_a_task_that_nobody_stops_ends_by_itself(aws: Endpoint, toy_on_slim: Stack) -> None:
    settings = fargate_settings()
    settings.budget.approve([(ONE, 4.0)], lambda _: None)
    with (
        task_definition(settings, settings.image(image_tag(toy_on_slim, SLIM)), ONE) as arn,
        started("toy", arn, ONE, settings) as task,
    ):
        wait_until(lambda: aws.ecs.describe_tasks({"tasks": [task.watch.arn]})["tasks"][0]["lastStatus"] == "STOPPED")
        assert re.search(r"it reached its deadline|a task's planned 4 s are over", str(task.watch.exit_reason()))
    (request,) = aws.named("RunTask")
    (override,) = request["overrides"]["containerOverrides"]
    limits = {pair["name"]: int(pair["value"]) for pair in override["environment"]}
    assert limits["LIFETIME_S"] == 4
    assert limits["ENDS_AT"] == pytest.approx(time.time(), abs=15)
