"""Containers that burn CPU on a server's cores with a share equal to its own, to steal time from it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from docker.errors import APIError, ImageNotFound

from common.catalog.images import DEFAULT_PYTHON, images
from common.engine.client import engine
from common.engine.confinement import NOBODY, confine
from common.engine.ownership import watched_containers
from common.errors import UsageError

_BUSY_LOOP = ("python3", "-c", "while True: pass")


@contextmanager
def neighbours(count: int, cores: Sequence[int]) -> Iterator[None]:
    """Run ``count`` neighbours while the block runs; ``UsageError`` if the slim base image is missing."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(_neighbour(cores))
        yield


@contextmanager
def _neighbour(cores: Sequence[int]) -> Iterator[None]:
    base = images()["slim"].base(DEFAULT_PYTHON)
    pinned = ",".join(map(str, cores))
    with watched_containers() as labels:
        try:
            container = engine().containers.run(
                base,
                list(_BUSY_LOOP),
                detach=True,
                labels=labels,
                cpuset_cpus=pinned,
                network_mode="none",
                **confine(user=NOBODY).options(),
            )
        except (ImageNotFound, APIError) as error:
            raise UsageError(
                f"no neighbour can be started on {base}. Run: make bases, or docker pull {base}"
            ) from error
        try:
            yield
        finally:
            container.remove(force=True, v=True)
