"""Fixtures: a fake AWS, and a toy stack to run on it."""

import random
from collections.abc import Iterator
from functools import cache

import boto3
import pytest
from docker import DockerClient

import common.aws.removal
import common.aws.tasks
import common.runtimes.fargate
from common.aws.calls import AwsClient
from common.catalog.stacks import Stack
from common.engine.builds import build_images
from tests.support.fake_aws import Endpoint, endpoint
from tests.support.fargate_settings import SLIM
from tests.support.simulated_ecs import SimulatedEcs
from tests.support.toy_stacks import toy_stack
from tests.support.unreliable_aws import direct_client

SESSION = cache(boto3.Session)
"""One session for all tests, because each new one parses megabytes of service models."""


@pytest.fixture(scope="module")
def toy_on_slim(toy_name: str, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The toy stack, built on slim."""
    stack = toy_stack(tmp_path_factory.mktemp("frameworks"), toy_name)
    build_images([stack], [SLIM], report=lambda _: None)
    return stack


@pytest.fixture
def aws_api(monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """A fake AWS without containers, for calls alone; it needs no Docker engine."""
    monkeypatch.setattr(common.aws.removal, "RETRY_WAITS_S", (0.0, 0.0, 0.0))
    ecs = SimulatedEcs(engine=None, random=random.Random(0))  # type: ignore[arg-type]  # noqa: S311 -- no secrets
    return Endpoint(url="none", ecs=ecs)


@pytest.fixture
def aws_client(aws_api: Endpoint) -> AwsClient:
    """A client of ``aws_api``."""
    return direct_client(aws_api)


@pytest.fixture
def aws(engine: DockerClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """A fake AWS that this process and its children call; fails the test if anything is left in it."""
    monkeypatch.setattr(boto3, "Session", SESSION)
    monkeypatch.setattr(common.runtimes.fargate, "POLL_INTERVAL_S", 0.1)
    monkeypatch.setattr(common.runtimes.fargate, "LOG_DELIVERY_S", 0.1)
    monkeypatch.setattr(common.aws.tasks, "CAPACITY_WAITS_S", (0.01, 0.01))
    monkeypatch.setattr(common.aws.removal, "RETRY_WAITS_S", (0.01, 0.01, 0.01, 0.01))
    with endpoint(engine) as fake:
        for name, value in fake.environment.items():
            monkeypatch.setenv(name, value)
        yield fake
        assert fake.ecs.running == []
        assert fake.ecs.definitions == {}
        assert fake.ecs.containers() == []
