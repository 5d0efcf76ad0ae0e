"""Where tests run their tasks."""

from typing import Any

from common.aws.settings import FargateSettings
from common.aws.sizes import parse_fargate_size
from common.catalog.images import image_tag, images
from common.catalog.stacks import Stack
from common.runtimes.fargate import serve

SLIM = images()["slim"]
ONE = parse_fargate_size("1", None)
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


def fargate_settings(**given: Any) -> FargateSettings:  # noqa: ANN401 -- a place's variables
    """Where tests run tasks, with ten dollars to spend."""
    return FargateSettings(**{"subnets": "subnet-1,subnet-2", "registry": REGISTRY, "max_dollars": 10.0, **given})


def up(stack: Stack, where: FargateSettings) -> Any:  # noqa: ANN401 -- a context manager
    """The toy, served."""
    return serve(stack.name, where.image(image_tag(stack, SLIM)), ONE, where)
