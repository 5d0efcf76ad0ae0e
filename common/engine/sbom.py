"""The software bill of materials of an image, in CycloneDX: every package in it, as read back from its files."""

import io
from collections.abc import Iterable, Iterator
from typing import cast

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from common.engine.builds import BASE
from common.engine.client import engine
from common.engine.contents import ImagePackage, PackageKind, packages_in, read_files
from common.engine.ownership import remove_container, watched_containers
from common.project import PROJECT

PURL_TYPES = {
    PackageKind.PYTHON: ("pypi", None),
    PackageKind.DEBIAN: ("deb", "debian"),
    PackageKind.ALPINE: ("apk", "alpine"),
}
"""The type and the namespace of package URLs. Source: the purl specification, package-url/purl-spec."""


def bill_of_materials(image_tag: str) -> str:
    """Return the bill of an image that the engine has, as JSON; the same image gives the same components."""
    image = engine().images.get(image_tag)
    name, _, version = image_tag.rpartition(":")
    bom = Bom(components=map(_component, packages_of(image_tag)))
    bom.metadata.component = Component(
        name=name,
        version=version,
        type=ComponentType.CONTAINER,
        bom_ref=image_tag,
        description=f"built on {image.labels.get(BASE, 'an unknown base image')}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=str(image.id).partition(":")[2])],
    )
    bom.register_dependency(bom.metadata.component, bom.components)
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def packages_of(image_tag: str) -> tuple[ImagePackage, ...]:
    """Return every package in an image, the largest first, from the file system that its containers begin with."""
    with watched_containers() as labels:
        container = engine().containers.create(image_tag, labels=labels)
        try:
            files, texts = read_files(_Stream(cast("Iterable[bytes]", container.export())))
        finally:
            remove_container(container)
    return packages_in(files, texts)


def _component(package: ImagePackage) -> Component:
    kind, namespace = PURL_TYPES[package.kind]
    name = package.name.partition(":")[0]  # Debian names the architecture of some
    purl = PackageURL(type=kind, namespace=namespace, name=name, version=package.version)
    return Component(
        name=name, version=package.version, type=ComponentType.LIBRARY, purl=purl, bom_ref=f"{PROJECT}:{purl}"
    )


class _Stream(io.RawIOBase):
    """Chunks as a file that is read from beginning to end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        while not self._rest:
            if (chunk := next(self._chunks, None)) is None:
                return b""
            self._rest = chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
