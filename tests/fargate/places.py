"""Where tests run their tasks."""

from typing import Any

from common.aws.settings import Fargate
from common.aws.sizes import read_size
from common.catalog.images import images, tag
from common.catalog.stacks import Stack
from common.runtimes.fargate import serve

SLIM = images()["slim"]
ONE = read_size("1", None)
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


def place(**given: Any) -> Fargate:  # noqa: ANN401 -- a place's variables
    """Where tests run tasks, with ten dollars to spend."""
    return Fargate(**{"subnets": "subnet-1,subnet-2", "registry": REGISTRY, "max_dollars": 10.0, **given})


def up(stack: Stack, where: Fargate) -> Any:  # noqa: ANN401 -- a context manager
    """The toy, served."""
    return serve(stack.name, where.image(tag(stack, SLIM)), ONE, where)
