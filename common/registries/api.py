"""The HTTP API of container registries: whether one answers, the manifest of an image, and its layers."""

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
from httpx import codes
from msgspec import Struct

from common.engine.client import engine
from common.errors import BenchmarkError, FailedError, UsageError
from common.packages.indexes import ca_bundle
from common.registries.login import ChallengeAuth, Login

_Document = TypeVar("_Document", bound=Struct)

TIMEOUT_S = 30.0
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
MAX_REPOSITORY_LENGTH = 255
"""The longest name of a repository, host included, that the engine accepts."""
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"  # of a host's name: at most 63 characters (RFC 1123)
_ADDRESS = re.compile(
    rf"(?P<host>(?=[^:/]{{1,253}}([:/]|$)){_LABEL}(\.{_LABEL})*(:(?P<port>[0-9]{{1,5}}))?)"
    r"(?P<prefix>(/[a-z0-9]+([._-]+[a-z0-9]+)*)*)/?"
)
MAX_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAddress:
    """The host of a registry, and the prefix of our repositories there."""

    host: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> "RegistryAddress":
        """Parse ``REGISTRY=HOST[:PORT][/PREFIX]``."""
        if "@" in text:  # do not repeat the value: it would be printed, and kept in task definitions
            raise UsageError(
                "invalid REGISTRY=: it holds a user or a password; must be HOST[:PORT][/PREFIX]. Set REGISTRY_USER and "
                "REGISTRY_PASSWORD in the environment, or run docker login."
            )
        match = _ADDRESS.fullmatch(text)
        if match is None or not 1 <= int(match["port"] or 1) <= MAX_PORT:
            raise UsageError(
                f"invalid REGISTRY={text or '(empty)'}: must be HOST[:PORT][/PREFIX], such as 127.0.0.1:5000 "
                "or 123456789012.dkr.ecr.us-east-1.amazonaws.com/team."
            )
        return cls(host=match["host"], prefix=match["prefix"].strip("/"))

    def repository(self, name: str) -> str:
        """Return the name of a repository within the registry; raise ``UsageError`` if it is too long."""
        repository = f"{self.prefix}/{name}".lstrip("/")
        if len(f"{self.host}/{repository}") > MAX_REPOSITORY_LENGTH:
            raise UsageError(
                f"invalid REGISTRY={self.host}/{self.prefix}: {self.host}/{repository} is longer than "
                f"{MAX_REPOSITORY_LENGTH} characters. Use a shorter prefix."
            )
        return repository


class Blob(Struct, frozen=True, kw_only=True, rename="camel"):
    """A manifest's entry for a layer or for the configuration, with digest and size as the registry stores it."""

    media_type: str
    digest: str
    size: int


class _Variant(Blob, frozen=True, kw_only=True, rename="camel"):
    platform: dict[str, object] = {}


class Manifest(Struct, frozen=True, kw_only=True):
    """The manifest of an image."""

    config: Blob
    layers: tuple[Blob, ...]
    digest: str = ""

    @property
    def compressed_bytes(self) -> int:
        """Sum of the stored layers: what a pull into an empty engine downloads."""
        return sum(layer.size for layer in self.layers)


class _Index(Struct, frozen=True, kw_only=True):
    manifests: tuple[_Variant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A connection to a registry."""

    address: RegistryAddress
    client: httpx.Client

    def require(self, kind: type[BenchmarkError] = FailedError) -> None:
        """Raise an error of this ``kind`` if the registry does not answer or refuses the login."""
        with _named_errors(self.address, kind):
            self.client.get("/v2/").raise_for_status()

    def manifest(self, repository: str, reference: str) -> Manifest:
        """Return the manifest of a tag or digest; of an index, the manifest for the engine's platform."""
        path, headers = f"/v2/{repository}/manifests/{reference}", {"Accept": ", ".join(MANIFESTS)}
        with _named_errors(self.address):
            content = self.client.get(path, headers=headers).raise_for_status().content
        if variants := self._decode(content, _Index).manifests:
            return self.manifest(repository, _for_engine(variants).digest)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return msgspec.structs.replace(self._decode(content, Manifest), digest=digest)

    def blob(self, repository: str, blob: Blob, into: IO[bytes]) -> None:
        """Write a blob, as it is stored, into a file; raise ``FailedError`` if it does not match its digest."""
        digest = hashlib.sha256()
        path = f"/v2/{repository}/blobs/{blob.digest}"
        with _named_errors(self.address), self.client.stream("GET", path) as response:
            for chunk in response.raise_for_status().iter_raw():
                digest.update(chunk)
                into.write(chunk)
        if f"sha256:{digest.hexdigest()}" != blob.digest:
            raise FailedError(f"REGISTRY={self.address.host} returned a wrong blob for {blob.digest} of {repository}.")

    def _decode(self, content: bytes, kind: type[_Document]) -> _Document:
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            raise FailedError(f"REGISTRY={self.address.host} returned an invalid manifest: {error}.") from error


@contextmanager
def connect_registry(address: RegistryAddress, login: Login | None) -> Iterator[Registry]:
    """Connect to a registry; raise ``UsageError`` if it does not answer or refuses the login."""
    insecure = is_insecure(address.host)
    with httpx.Client(
        base_url=f"{'http' if insecure else 'https'}://{address.host}",
        auth=ChallengeAuth(login),
        timeout=TIMEOUT_S,
        follow_redirects=True,
        trust_env=not insecure,  # a proxy could not reach a loopback address of this machine
        verify=True if insecure else ssl.create_default_context(cafile=ca_bundle()),
    ) as client:
        registry = Registry(address=address, client=client)
        registry.require(UsageError)
        yield registry


def is_insecure(host: str) -> bool:
    """Return whether the engine uses plain HTTP with a registry: one on loopback, or one in its configuration."""
    name = host.rpartition(":")[0] or host
    try:
        loopback = ipaddress.ip_address(name).is_loopback
    except ValueError:
        loopback = name == "localhost"
    configured: Mapping[str, Mapping[str, bool]] = engine().info().get("RegistryConfig", {}).get("IndexConfigs", {})
    return loopback or not configured.get(host, {}).get("Secure", True)


@contextmanager
def _named_errors(address: RegistryAddress, kind: type[BenchmarkError] = FailedError) -> Iterator[None]:
    """Turn the errors of a request into one line that names the registry."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        response = error.response
        if response.status_code in {codes.UNAUTHORIZED, codes.FORBIDDEN}:
            raise kind(login_refused(address)) from error
        raise kind(
            f"REGISTRY={address.host} answers {response.request.url.path} with status {response.status_code}. "
            "It must be a registry with the distribution API, version 2."
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # the last two for addresses that it sends
        raise kind(f"REGISTRY={address.host} does not answer: {error or type(error).__name__}.") from error


def login_refused(address: RegistryAddress) -> str:
    """Return the message for a login that a registry refuses, or that is missing."""
    return (
        f"REGISTRY={address.host} refuses the login. Run: docker login {address.host}; or set REGISTRY_USER and "
        "REGISTRY_PASSWORD in the environment."
    )


def _for_engine(variants: tuple[_Variant, ...]) -> _Variant:
    """Return the variant for the engine's architecture, or the first one if there is none."""
    architecture = engine().version()["Arch"]
    return next((variant for variant in variants if variant.platform.get("architecture") == architecture), variants[0])
