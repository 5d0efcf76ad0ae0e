"""The ways in which a stack can be brought up."""

from enum import StrEnum


class Runtime(StrEnum):
    """The environment in which a stack runs: a process on this machine, a Docker container, or a Fargate task."""

    PROCESS = "process"
    DOCKER = "docker"
    FARGATE = "fargate"
