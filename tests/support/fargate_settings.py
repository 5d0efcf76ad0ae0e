"""Settings under which tests run Fargate tasks."""

from contextlib import AbstractContextManager
from typing import Any

from common.aws.settings import FargateSettings
from common.aws.spending import parse_fargate_size
from common.catalog.stacks import Stack, image_tag, images
from common.runtimes.fargate import serve
from common.runtimes.running_server import RunningServer

SLIM = images()["slim"]
ONE = parse_fargate_size("1", None)
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


def fargate_settings(**variables: Any) -> FargateSettings:  # noqa: ANN401 -- variables of several types
    """Return settings with a ceiling of ten dollars; ``variables`` replace single ones."""
    defaults: dict[str, Any] = {"subnets": "subnet-1,subnet-2", "registry": REGISTRY, "max_dollars": 10.0}
    return FargateSettings(**(defaults | variables))


def up(stack: Stack, settings: FargateSettings) -> AbstractContextManager[RunningServer]:
    """Serve the toy stack in a task."""
    return serve(stack.name, settings.image(image_tag(stack, SLIM)), ONE, settings)
