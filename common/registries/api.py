"""A container registry as its HTTP API shows it: whether it answers, an image's manifest, its layers."""

import hashlib
import ipaddress
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TypeVar

import httpx
import msgspec
from msgspec import Struct

from common.engine.client import engine
from common.errors import BenchmarkError, FailedError, UsageError
from common.packages.build_secrets import ca_bundle
from common.registries.login import Challenged, Login

_Kind = TypeVar("_Kind", bound=Struct)

TIMEOUT_S = 30.0
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9.-]+(:[0-9]{1,5})?)(?P<prefix>(/[a-z0-9]+([._-]+[a-z0-9]+)*)*)/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAddress:
    """Where images go: a registry's host, and what repositories there begin with."""

    host: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> "RegistryAddress":
        """The place that ``REGISTRY=`` names: ``HOST[:PORT][/PREFIX]``."""
        if "@" in text:
            raise UsageError(
                "REGISTRY= holds a user or a password. Accepted: HOST[:PORT][/PREFIX]; the rest in the environment's "
                "REGISTRY_USER and REGISTRY_PASSWORD, or by docker login."
            )
        if (found := _ADDRESS.fullmatch(text)) is None:
            raise UsageError(
                f"REGISTRY={text or '(empty)'} is no registry. Accepted: HOST[:PORT][/PREFIX], such as 127.0.0.1:5000 "
                "or 123456789012.dkr.ecr.us-east-1.amazonaws.com/team."
            )
        return cls(host=found["host"], prefix=found["prefix"].strip("/"))

    def repository(self, name: str) -> str:
        """A repository's name within the registry."""
        return f"{self.prefix}/{name}".lstrip("/")


class Blob(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a manifest says of a layer or of the configuration: digest and bytes as they are stored."""

    media_type: str
    digest: str
    size: int


class _Variant(Blob, frozen=True, kw_only=True, rename="camel"):
    platform: dict[str, object] = {}


class Manifest(Struct, frozen=True, kw_only=True):
    """An image as a registry keeps it."""

    config: Blob
    layers: tuple[Blob, ...]
    digest: str = ""

    @property
    def compressed_bytes(self) -> int:
        """The sum of the layers: what a pull into an empty engine downloads."""
        return sum(layer.size for layer in self.layers)


class _Index(Struct, frozen=True, kw_only=True):
    manifests: tuple[_Variant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A registry that answers."""

    address: RegistryAddress
    client: httpx.Client

    def require(self, kind: type[BenchmarkError] = FailedError) -> None:
        """``kind`` of error where it does not answer, or refuses the login."""
        with _told(self.address, kind):
            _require(self.client.get("/v2/"), self.address, kind)

    def manifest(self, repository: str, reference: str) -> Manifest:
        """The manifest of a tag or digest; of an index, that of this engine's platform."""
        answer = self._get(f"/v2/{repository}/manifests/{reference}", accept=", ".join(MANIFESTS))
        if variants := self._decode(answer, _Index).manifests:
            return self.manifest(repository, _own(variants).digest)
        digest = f"sha256:{hashlib.sha256(answer).hexdigest()}"
        return msgspec.structs.replace(self._decode(answer, Manifest), digest=digest)

    def blob(self, repository: str, blob: Blob, into: IO[bytes]) -> None:
        """Write a blob, as it is stored, into a file; ``FailedError`` where it is not what its digest says."""
        digest = hashlib.sha256()
        with _told(self.address), self.client.stream("GET", f"/v2/{repository}/blobs/{blob.digest}") as answer:
            _require(answer, self.address)
            for chunk in answer.iter_raw():
                digest.update(chunk)
                into.write(chunk)
        if f"sha256:{digest.hexdigest()}" != blob.digest:
            raise FailedError(f"REGISTRY={self.address.host} gave another blob than {blob.digest} of {repository}.")

    def _get(self, path: str, *, accept: str) -> bytes:
        with _told(self.address):
            answer = self.client.get(path, headers={"Accept": accept})
            _require(answer, self.address)
            return answer.content

    def _decode(self, text: bytes, kind: type[_Kind]) -> _Kind:
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.DecodeError as error:
            raise FailedError(f"REGISTRY={self.address.host} gave a manifest that is none: {error}.") from error


@contextmanager
def connect_registry(address: RegistryAddress, login: Login | None) -> Iterator[Registry]:
    """The registry, once it has answered and accepted the login; ``UsageError`` says what is wrong with it."""
    plain = is_insecure(address.host)
    with httpx.Client(
        base_url=f"{'http' if plain else 'https'}://{address.host}",
        auth=Challenged(login),
        timeout=TIMEOUT_S,
        follow_redirects=True,
        trust_env=not plain,
        verify=True if plain else ssl.create_default_context(cafile=ca_bundle()),
    ) as client:
        registry = Registry(address=address, client=client)
        registry.require(UsageError)
        yield registry


def is_insecure(host: str) -> bool:
    """Whether the engine speaks plain HTTP with it: a loopback address, or one that the engine is told to."""
    name = host.rpartition(":")[0] or host
    try:
        loopback = ipaddress.ip_address(name).is_loopback
    except ValueError:
        loopback = name == "localhost"
    known: Mapping[str, Mapping[str, bool]] = engine().info().get("RegistryConfig", {}).get("IndexConfigs", {})
    return loopback or not known.get(host, {}).get("Secure", True)


@contextmanager
def _told(address: RegistryAddress, kind: type[BenchmarkError] = FailedError) -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        raise kind(f"REGISTRY={address.host} does not answer: {error or type(error).__name__}.") from error


def _require(answer: httpx.Response, address: RegistryAddress, kind: type[BenchmarkError] = FailedError) -> None:
    match answer.status_code:
        case 200:
            return
        case 401 | 403:
            raise kind(login_refused(address))
        case status:
            raise kind(
                f"REGISTRY={address.host} answers {answer.request.url.path} with {status}. "
                "Accepted: a registry of the distribution API, version 2."
            )


def login_refused(address: RegistryAddress) -> str:
    """What to tell a user whose login a registry does not take, or who gave none."""
    return (
        f"REGISTRY={address.host} refuses the login. Run: docker login {address.host}; or set REGISTRY_USER and "
        "REGISTRY_PASSWORD in the environment."
    )


def _own(variants: tuple[_Variant, ...]) -> _Variant:
    machine = engine().version()["Arch"]
    return next((one for one in variants if one.platform.get("architecture") == machine), variants[0])
