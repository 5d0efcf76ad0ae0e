"""The ways in which a stack can be brought up."""

from enum import StrEnum


class Runtime(StrEnum):
    """How a stack is brought up: as a process on this machine, in a Docker container, or as a Fargate task."""

    PROCESS = "process"
    DOCKER = "docker"
    FARGATE = "fargate"
