"""An AWS of the tests' own, and what runs on it."""

from collections.abc import Iterator
from functools import cache

import boto3
import pytest
from docker import DockerClient

import common.aws.logs
import common.aws.tasks
import common.runtimes.fargate
from common.catalog.stacks import Stack
from common.engine.builds import build_images
from tests.support.fake_aws import Endpoint, endpoint
from tests.support.fargate_settings import SLIM
from tests.support.toy_stacks import toy_stack

SESSION = cache(boto3.Session)
"""One for all tests: each new one reads megabytes of service models."""


@pytest.fixture(scope="module")
def toy_on_slim(toy_name: str, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The toy, built on slim."""
    made = toy_stack(tmp_path_factory.mktemp("frameworks"), toy_name)
    build_images([made], [SLIM], report=lambda _: None)
    return made


@pytest.fixture
def aws(engine: DockerClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """An AWS of our own, which this process and its children take for the real one; nothing is left in it."""
    monkeypatch.setattr(boto3, "Session", SESSION)
    monkeypatch.setattr(common.runtimes.fargate, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(common.aws.logs, "ARRIVES_S", 0.1)
    monkeypatch.setattr(common.aws.tasks, "CAPACITY_WAITS_S", (0.01, 0.01))
    with endpoint(engine) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made
        assert made.ecs.running == []
        assert made.ecs.definitions == {}
        assert made.ecs.containers() == []
