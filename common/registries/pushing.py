"""Pushing images to a container registry, and their size there as the registry reports it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from docker.errors import DockerException
from requests import RequestException

from common.engine.client import engine
from common.engine.ownership import TemporaryResources, temporary_resources
from common.errors import BenchmarkError, FailedError
from common.registries.api import Manifest, Registry, RegistryAddress, connect_registry, login_refused
from common.registries.ecr import Ecr, connect_ecr, is_ecr
from common.registries.login import ANONYMOUS, Login, find_login
from common.words import counted

REFUSALS = ("unauthorized", "denied", "no basic auth credentials", "authentication required")
SERVER_ERROR = "500 Internal Server Error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """An image that has been pushed."""

    reference: str
    repository: str
    manifest: Manifest
    duration_s: float

    def __str__(self) -> str:
        manifest = self.manifest
        layers = counted(len(manifest.layers), "layer")
        return (
            f"{self.reference}  {manifest.compressed_bytes:,} bytes compressed in {layers}  {manifest.digest}  "
            f"{self.duration_s:.1f} s"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pusher:
    """A registry to push to, with the login and the temporary tags that a push needs."""

    registry: Registry
    login: Login | None
    temporary: TemporaryResources
    ecr: Ecr | None = None

    def push(self, image: str, *, image_id: str | None = None) -> Pushed:
        """Push a tagged image under its own name; raise ``FailedError`` with the reason if that fails.

        ``image_id`` fixes which image is pushed, in case the tag moves to another one meanwhile.
        """
        name, _, tag = image.rpartition(":")
        repository = self.registry.address.repository(name)
        reference = f"{self.registry.address.host}/{repository}:{tag}"
        if self.ecr is not None:
            self.ecr.ensure_repository(repository)
        start = time.perf_counter()
        with self.temporary.tagged(image_id or image, reference):
            self._upload(reference)
        duration_s = time.perf_counter() - start
        manifest = self.registry.manifest(repository, tag)
        return Pushed(reference=reference, repository=repository, manifest=manifest, duration_s=duration_s)

    def _upload(self, reference: str) -> None:
        login = (self.login or ANONYMOUS).for_engine()
        try:
            for event in engine().api.push(reference, stream=True, decode=True, auth_config=login):
                self._check_event(reference, event)
        except (DockerException, RequestException) as error:
            raise FailedError(f"{reference} was not pushed: {error}") from error

    def _check_event(self, reference: str, event: Mapping[str, Any]) -> None:
        """Raise ``FailedError`` if the engine reports an error, or retries while the registry is down."""
        if reason := event.get("error"):
            if any(word in reason.casefold() for word in REFUSALS):
                raise FailedError(login_refused(self.registry.address))
            hint = " The registry's disk may be full." if SERVER_ERROR in reason else ""
            raise FailedError(f"{reference} was not pushed: {' '.join(reason.split())}.{hint}")
        if str(event.get("status", "")).startswith("Retrying"):
            self.registry.require()


@contextmanager
def registry_pusher(address: RegistryAddress, *, ecr: bool = False) -> Iterator[Pusher]:
    """Yield a pusher; raise ``UsageError`` if the registry does not answer or refuses the login."""
    amazon = connect_ecr(address) if ecr or is_ecr(address.host) else None
    login = find_login(address.host) if amazon is None else amazon.login()
    with temporary_resources() as temporary, connect_registry(address, login) as registry:
        yield Pusher(registry=registry, login=login, temporary=temporary, ecr=amazon)


def push_all(pusher: Pusher, tags: Sequence[str], report: Callable[[str], None]) -> None:
    """Push every image, and ``report`` each as it ends.

    Raise ``FailedError`` at once if the registry no longer answers, and otherwise, after all have been tried, one that
    names the images that could not be pushed.
    """
    failed = []
    for tag in tags:
        try:
            report(str(pusher.push(tag)))
        except BenchmarkError as error:
            failed.append(tag)
            report(str(error))
            pusher.registry.require()
    if failed:
        raise FailedError(f"{len(failed)} of {len(tags)} images were not pushed: {', '.join(failed)}.")
