"""Images pushed into a container registry, and what it says they weigh there."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from docker.errors import DockerException
from requests import RequestException

from common.engine.client import engine
from common.engine.temporary import TemporaryResources, temporary_resources
from common.errors import BenchmarkError, FailedError
from common.registries.api import Manifest, Registry, RegistryAddress, connect_registry, login_refused
from common.registries.ecr import Ecr, connect_ecr, is_ecr
from common.registries.login import ANONYMOUS, Login, find_login
from common.runtimes.candidates import Candidate

REFUSALS = ("unauthorized", "denied", "no basic auth credentials", "authentication required")
SERVER_ERROR = "500 Internal Server Error"

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """An image in a registry."""

    reference: str
    repository: str
    manifest: Manifest
    duration_s: float

    def __str__(self) -> str:
        found = self.manifest
        return (
            f"{self.reference}  {found.compressed_bytes:,} bytes compressed in {len(found.layers)} layers  "
            f"{found.digest}  {self.duration_s:.1f} s"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pusher:
    """A registry to push into, and what that takes."""

    registry: Registry
    login: Login | None
    claim: TemporaryResources
    ecr: Ecr | None = None

    def push(self, image: str, *, image_id: str | None = None) -> Pushed:
        """Push the image of a tag under its own name; ``FailedError`` says how that failed.

        ``image_id`` is what to push under it, in case that the tag is given to another image meanwhile.
        """
        name, _, tag = image.rpartition(":")
        repository = self.registry.address.repository(name)
        reference = f"{self.registry.address.host}/{repository}:{tag}"
        if self.ecr is not None:
            self.ecr.require_repository(repository)
        started = time.perf_counter()
        with self.claim.tagged(image_id or image, reference):
            self._send(reference)
        duration_s = time.perf_counter() - started
        manifest = self.registry.manifest(repository, tag)
        return Pushed(reference=reference, repository=repository, manifest=manifest, duration_s=duration_s)

    def _send(self, reference: str) -> None:
        login = (self.login or ANONYMOUS).for_engine()
        try:
            for event in engine().api.push(reference, stream=True, decode=True, auth_config=login):
                self._hear(reference, event)
        except (DockerException, RequestException) as error:
            raise FailedError(f"{reference} was not pushed: {error}") from error

    def _hear(self, reference: str, event: Mapping[str, Any]) -> None:
        """``FailedError`` where the engine says that it failed, or that it tries again a registry that is gone."""
        if said := event.get("error"):
            if any(word in said.casefold() for word in REFUSALS):
                raise FailedError(login_refused(self.registry.address))
            hint = " The registry's disk may be full." if SERVER_ERROR in said else ""
            raise FailedError(f"{reference} was not pushed: {' '.join(said.split())}.{hint}")
        if str(event.get("status", "")).startswith("Retrying"):
            self.registry.require()


@contextmanager
def registry_pusher(address: RegistryAddress, *, ecr: bool = False) -> Iterator[Pusher]:
    """What pushes into a registry that answers; ``UsageError`` where it does not, or refuses the login."""
    amazon = connect_ecr(address) if ecr or is_ecr(address.host) else None
    login = find_login(address.host) if amazon is None else amazon.login()
    with temporary_resources() as mine, connect_registry(address, login) as registry:
        yield Pusher(registry=registry, login=login, claim=mine, ecr=amazon)


def push_all(ready: Pusher, candidates: Sequence[Candidate], report: Report) -> tuple[Pushed, ...]:
    """Push every candidate's image; each is told to ``report`` as it ends.

    ``FailedError`` that lists those that failed, after all have been tried; a registry that is gone ends it at once.
    """
    done, failed = [], []
    for candidate in candidates:
        assert candidate.tag is not None
        try:
            done.append(ready.push(candidate.tag))
            report(str(done[-1]))
        except BenchmarkError as error:
            failed.append(candidate.name)
            report(str(error))
            ready.registry.require()
    if failed:
        raise FailedError(f"{len(failed)} of {len(candidates)} images were not pushed: {', '.join(failed)}.")
    return tuple(done)
