"""Sizes of libraries and images: packages are measured by their RECORD, environments on disk, images in a registry."""

import dataclasses
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from docker.errors import ImageNotFound
from msgspec.structs import replace
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common.catalog.frameworks import Framework
from common.catalog.stacks import Stack
from common.engine.bases import is_stand_in
from common.engine.builds import BASE
from common.engine.client import engine
from common.engine.contents import Layer, PackageKind, merge_layers, packages_in, read_layer
from common.engine.ownership import temporary_resources
from common.errors import FailedError
from common.packages.environments import environment
from common.registries.api import Blob, RegistryAddress
from common.registries.local import local_registry
from common.registries.pushing import Pushed, Pusher, registry_pusher
from common.runtimes.candidates import Candidate
from loadtests.experiments.sizes.records import (
    ImageFootprint,
    ImageVisit,
    LayerFootprint,
    LibrariesVisit,
    Library,
    LibraryKind,
    LibraryPackage,
    PackageFootprint,
)

BIGGEST = 10
"""The number of an image's packages that are recorded for each kind."""


def measure_libraries(visit: LibrariesVisit, candidate: Candidate) -> LibrariesVisit:
    """Return ``visit`` with the sizes of the candidate's framework and server on disk, or why they are unknown."""
    try:
        return replace(visit, libraries=list(libraries(candidate.stack)))
    except FailedError as error:
        return replace(visit, error=str(error))


class ImageReader:
    """Pushes images and reads their layers back; a layer shared by several images is read once."""

    def __init__(self, ready: Pusher) -> None:
        self._ready = ready
        self._read: dict[str, Layer] = {}

    def measure(self, visit: ImageVisit, candidate: Candidate) -> ImageVisit:
        """Return ``visit`` with the image's sizes, or why they are unknown; ``FailedError`` if the registry dies."""
        try:
            return replace(visit, footprint=self._footprint(candidate))
        except FailedError as error:
            self._ready.registry.require()
            return replace(visit, error=str(error))

    def _footprint(self, candidate: Candidate) -> ImageFootprint:
        assert candidate.tag is not None
        assert candidate.image is not None
        image = engine().images.get(candidate.tag)
        pushed = self._ready.push(candidate.tag, image_id=str(image.id))
        base = image.labels.get(BASE, candidate.image.base(candidate.python))
        contents = [self._layer(pushed, blob) for blob in pushed.manifest.layers]
        files, texts = merge_layers(contents)
        inside = packages_in(files, texts)
        biggest = [
            package for kind in PackageKind for package in [each for each in inside if each.kind is kind][:BIGGEST]
        ]
        return image_footprint(
            layer_footprints(pushed.manifest.layers, contents, base_layers(base)),
            image_id=str(image.id),
            manifest_digest=pushed.manifest.digest,
            base=base,
            stand_in_base=is_stand_in(candidate.tag),
            packages=[PackageFootprint(**dataclasses.asdict(package)) for package in biggest],
            files_bytes=sum(files.values()),
        )

    def _layer(self, pushed: Pushed, blob: Blob) -> Layer:
        if blob.digest not in self._read:
            with tempfile.TemporaryFile(dir=self._ready.temporary.folder) as file:
                self._ready.registry.blob(pushed.repository, blob, file)
                file.seek(0)
                self._read[blob.digest] = read_layer(file, blob.media_type)
        return self._read[blob.digest]


def base_layers(base: str) -> list[str] | None:
    """Return the digests of a base image's tars, from the bottom; ``None`` if the engine lacks the image."""
    try:
        return list(engine().images.get(base).attrs["RootFS"]["Layers"])
    except ImageNotFound:
        return None


def layer_footprints(
    blobs: Sequence[Blob], contents: Sequence[Layer], base: Sequence[str] | None
) -> list[LayerFootprint]:
    """Return a record for each layer; those of the base are known if the image begins with all of them."""
    diff_ids = [layer.diff_id for layer in contents]
    known = base is not None and diff_ids[: len(base)] == list(base)
    return [
        LayerFootprint(
            digest=blob.digest,
            diff_id=layer.diff_id,
            media_type=blob.media_type,
            compressed_bytes=blob.size,
            tar_bytes=layer.tar_bytes,
            zstd_bytes=layer.zstd_bytes,
            of_base=index < len(base or ()) if known else None,
        )
        for index, (blob, layer) in enumerate(zip(blobs, contents, strict=True))
    ]


def image_footprint(layers: list[LayerFootprint], **fields: Any) -> ImageFootprint:  # noqa: ANN401 -- the record's other fields
    """Return the record of an image, with the sums over its layers."""
    unique = [layer for layer in layers if layer.of_base is False]
    known = all(layer.of_base is not None for layer in layers)
    return ImageFootprint(
        layers=layers,
        tar_bytes=sum(layer.tar_bytes for layer in layers),
        compressed_bytes=sum(layer.compressed_bytes for layer in layers),
        zstd_bytes=sum(layer.zstd_bytes for layer in layers),
        unique_tar_bytes=sum(layer.tar_bytes for layer in unique) if known else None,
        unique_compressed_bytes=sum(layer.compressed_bytes for layer in unique) if known else None,
        **fields,
    )


@contextmanager
def image_reader(address: RegistryAddress | None) -> Iterator[ImageReader]:
    """Provide a reader of images through the registry at ``address``, or through a temporary one."""
    if address is not None:
        with registry_pusher(address) as ready:
            yield ImageReader(ready)
        return
    with (
        temporary_resources() as mine,
        local_registry(mine.folder) as host,
        registry_pusher(RegistryAddress(host=host)) as ready,
    ):
        yield ImageReader(ready)


def libraries(stack: Stack) -> Iterator[Library]:
    """Yield the sizes of a stack's framework and server; create its environment if needed.

    Floors and native servers, which have no packages of their own, are left out.
    """
    installed, framework = InstalledPackages(environment(stack)), stack.framework
    if framework.dependencies:
        yield _framework(framework, installed)
    if requirements := stack.server.needs(framework.interface):
        yield _library(LibraryKind.SERVER, stack.server.name, framework, installed, requirements)


class InstalledPackages:
    """The packages of a virtual environment."""

    def __init__(self, folder: Path) -> None:
        paths = [str(path) for path in folder.glob("lib/python*/site-packages")]
        self._distributions = {canonicalize_name(each.name): each for each in distributions(path=paths)}

    def package(self, name: str) -> LibraryPackage:
        """Return the size of one package: the files that its RECORD lists, and separately their bytecode."""
        distribution = self.distribution(name)
        files = [Path(str(file.locate())) for file in distribution.files or ()]
        sources = [file for file in files if file.suffix != ".pyc" and file.is_file()]
        bytecode = {code for file in sources if file.suffix == ".py" for code in _bytecode_files(file)}
        return LibraryPackage(
            name=canonicalize_name(name),
            version=distribution.version,
            files_bytes=sum(file.stat().st_size for file in sources),
            bytecode_bytes=sum(file.stat().st_size for file in bytecode),
        )

    def closure(self, roots: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the packages that ``roots`` (requirements) name and of all their dependencies, sorted."""
        visited: set[tuple[str, str]] = set()
        pending = [pair for root in roots for pair in _with_extras(Requirement(root))]
        while pending:
            name, extra = pair = pending.pop()
            if pair not in visited:
                visited.add(pair)
                pending += self._dependencies(name, extra)
        return tuple(sorted({name for name, _ in visited}))

    def distribution(self, name: str) -> Distribution:
        """Return the metadata of one package; ``FailedError`` if it is missing."""
        if (distribution := self._distributions.get(canonicalize_name(name))) is None:
            raise FailedError(f"{name} is required but not installed in the environment. Run make lock.")
        return distribution

    def _dependencies(self, name: str, extra: str) -> Iterator[tuple[str, str]]:
        for line in self.distribution(name).requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                yield from _with_extras(requirement)


def _framework(framework: Framework, installed: InstalledPackages) -> Library:
    roots = framework.dependencies
    own_first = sorted(roots, key=lambda root: canonicalize_name(Requirement(root).name) != framework.distribution)
    return _library(LibraryKind.FRAMEWORK, framework.name, framework, installed, own_first)


def _library(
    kind: LibraryKind, name: str, framework: Framework, installed: InstalledPackages, roots: Sequence[str]
) -> Library:
    """Return the sizes of the package that the first of ``roots`` names and of all that ``roots`` require."""
    own = canonicalize_name(Requirement(roots[0]).name)
    packages = [installed.package(package) for package in installed.closure(roots)]
    return Library(
        kind=kind,
        name=name,
        interface=framework.interface,
        package=own,
        packages=packages,
        alone_bytes=sum(package.size_bytes for package in packages if package.name == own),
        total_bytes=sum(package.size_bytes for package in packages),
    )


def _with_extras(requirement: Requirement) -> list[tuple[str, str]]:
    """Return the requirement's package paired with no extra, and with each extra that it names."""
    return [(canonicalize_name(requirement.name), extra) for extra in ("", *sorted(requirement.extras))]


def _bytecode_files(source: Path) -> Iterator[Path]:
    return source.parent.joinpath("__pycache__").glob(f"{source.stem}.*.pyc")
