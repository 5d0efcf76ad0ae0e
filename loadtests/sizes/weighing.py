"""What libraries and images weigh: environments measured on disk, images pushed into a registry and read back."""

import dataclasses
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from docker.errors import ImageNotFound
from rich.console import Console

from common.console import live_progress
from common.engine.bases import is_stand_in
from common.engine.client import engine
from common.engine.installed_packages import PackageKind, merge_layers, packages_in
from common.engine.labels import BASE
from common.engine.layers import ZSTD_LEVEL, Layer, read_layer
from common.engine.temporary import temporary_resources
from common.errors import FailedError
from common.host.machine import machine, revision
from common.packages.libraries import libraries
from common.records.footprint import ImageSize, LayerSize, Library, PackageSize, Sizes
from common.registries.api import Blob, RegistryAddress
from common.registries.local import local_registry
from common.registries.pushing import Pushed, Pusher, registry_pusher
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import available, prepare
from loadtests.runs.manifest import engine_name
from loadtests.runs.results import RESULTS
from loadtests.sizes import report as sizes_report

FILE = "sizes.json"
BIGGEST = 10
"""How many of an image's packages of each kind are written down."""


def run_sizes(
    candidates: Sequence[Candidate], address: RegistryAddress | None, out: Path | None, console: Console
) -> None:
    """Measure, print and write what the candidates' images and libraries weigh.

    ``FailedError`` once all is written where an image could not be weighed.
    """
    images, failed = measure_images(candidates, address, console) if _in_images(candidates) else ([], {})
    missing = {one.name: one.unavailable for one in candidates if one.unavailable is not None}
    if not _in_images(candidates):
        missing["images"] = "no Docker engine answers"
    sizes = record(measure_libraries(candidates, console), images, missing | failed, address)
    folder = out or RESULTS / sizes.id
    write(folder, sizes)
    for table in sizes_report.tables(sizes):
        console.print(table)
    for note in sizes_report.notes(sizes):
        console.print(f"  {note}", soft_wrap=True, markup=False)
    console.print(f"written to {folder}")
    if failed:
        raise FailedError(f"{len(failed)} images could not be weighed: {', '.join(failed)}.")


def measure_libraries(candidates: Sequence[Candidate], console: Console) -> list[Library]:
    """What the frameworks and servers of the candidates' stacks take, each once for each interface."""
    stacks = {one.stack.name: Candidate(stack=one.stack) for one in candidates}
    wanted = [one for one in stacks.values() if one.unavailable is None]
    prepare(wanted, console)
    found = libraries(wanted)
    return list({(one.kind, one.name, one.interface): one for one in found}.values())


def measure_images(
    candidates: Sequence[Candidate], address: RegistryAddress | None, console: Console
) -> tuple[list[ImageSize], dict[str, str]]:
    """What each image that can be had weighs, and why others could not be weighed; they are brought up to date first.

    ``UsageError`` where there is no registry, ``FailedError`` where it is lost.
    """
    found: list[ImageSize] = []
    failed: dict[str, str] = {}
    with _pusher(address) as ready:
        wanted = available(candidates, console)
        prepare(wanted, console)
        scale = Scale(ready)
        with live_progress("sizes", len(wanted), console) as display:
            for candidate in wanted:
                display.start(candidate.name)
                try:
                    found.append(scale.weigh(candidate))
                    display.done(f"{candidate.name}: {found[-1].compressed_bytes:,} bytes compressed")
                except FailedError as error:
                    ready.registry.require()
                    failed[candidate.name] = str(error)
                    display.done(f"{candidate.name}: {error}")
    return found, failed


def record(
    libraries: list[Library], images: list[ImageSize], missing: dict[str, str], address: RegistryAddress | None
) -> Sizes:
    """All of it, as it is written."""
    now = datetime.now(UTC)
    return Sizes(
        id=f"{now:%Y%m%dT%H%M%SZ}-sizes",
        started_at=now,
        revision=revision(),
        machine=machine(engine_name() if images else None),
        registry=None if address is None else address.host,
        zstd_level=ZSTD_LEVEL,
        libraries=libraries,
        images=images,
        missing=missing,
    )


def write(folder: Path, sizes: Sizes) -> None:
    """Write ``sizes.json`` into a folder, which is made if it is not there; ``FailedError`` where the disk is full."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(sizes)) + b"\n")
    except OSError as error:
        raise FailedError(f"{folder / FILE} cannot be written: {error.strerror}.") from error


def _in_images(candidates: Sequence[Candidate]) -> bool:
    return any(one.image is not None for one in candidates)


class Scale:
    """Weighs images in a registry; a layer that several of them share is read once."""

    def __init__(self, ready: Pusher) -> None:
        self._ready = ready
        self._read: dict[str, Layer] = {}

    def weigh(self, candidate: Candidate) -> ImageSize:
        """What an image weighs: pushed, its manifest read back, its layers unpacked."""
        assert candidate.tag is not None
        assert candidate.image is not None
        image = engine().images.get(candidate.tag)
        pushed = self._ready.push(candidate.tag, image_id=str(image.id))
        base = image.labels.get(BASE, candidate.image.base(candidate.python))
        contents = [self._layer(pushed, blob) for blob in pushed.manifest.layers]
        files, texts = merge_layers(contents)
        inside = packages_in(files, texts)
        biggest = [one for kind in PackageKind for one in [one for one in inside if one.kind is kind][:BIGGEST]]
        return image_size(
            layer_sizes(pushed.manifest.layers, contents, base_layers(base)),
            name=candidate.name,
            framework=candidate.stack.framework.name,
            server=candidate.stack.server.name,
            image=candidate.image.name,
            image_id=str(image.id),
            lock_sha256=hashlib.sha256(candidate.stack.framework.lock.read_bytes()).hexdigest(),
            manifest_digest=pushed.manifest.digest,
            base=base,
            stand_in_base=is_stand_in(candidate.tag),
            packages=[PackageSize(**dataclasses.asdict(one)) for one in biggest],
            files_bytes=sum(files.values()),
        )

    def _layer(self, pushed: Pushed, blob: Blob) -> Layer:
        if blob.digest not in self._read:
            with tempfile.TemporaryFile(dir=self._ready.claim.folder) as file:
                self._ready.registry.blob(pushed.repository, blob, file)
                file.seek(0)
                self._read[blob.digest] = read_layer(file, blob.media_type)
        return self._read[blob.digest]


def base_layers(base: str) -> list[str] | None:
    """The digests of a base image's tars, the lowest first; ``None`` where it is not in the engine."""
    try:
        return list(engine().images.get(base).attrs["RootFS"]["Layers"])
    except ImageNotFound:
        return None


def layer_sizes(blobs: Sequence[Blob], contents: Sequence[Layer], base: Sequence[str] | None) -> list[LayerSize]:
    """A record for each layer; the base's are known where the image still begins with all of them."""
    diff_ids = [layer.diff_id for layer in contents]
    known = base is not None and diff_ids[: len(base)] == list(base)
    return [
        LayerSize(
            digest=blob.digest,
            diff_id=layer.diff_id,
            media_type=blob.media_type,
            compressed_bytes=blob.size,
            tar_bytes=layer.tar_bytes,
            zstd_bytes=layer.zstd_bytes,
            of_base=address < len(base or ()) if known else None,
        )
        for address, (blob, layer) in enumerate(zip(blobs, contents, strict=True))
    ]


def image_size(layers: list[LayerSize], **fields: Any) -> ImageSize:  # noqa: ANN401 -- the record's other fields
    """The record of an image, with the sums of its layers."""
    unique = [layer for layer in layers if layer.of_base is False]
    known = all(layer.of_base is not None for layer in layers)
    return ImageSize(
        layers=layers,
        tar_bytes=sum(layer.tar_bytes for layer in layers),
        compressed_bytes=sum(layer.compressed_bytes for layer in layers),
        zstd_bytes=sum(layer.zstd_bytes for layer in layers),
        unique_tar_bytes=sum(layer.tar_bytes for layer in unique) if known else None,
        unique_compressed_bytes=sum(layer.compressed_bytes for layer in unique) if known else None,
        **fields,
    )


@contextmanager
def _pusher(address: RegistryAddress | None) -> Iterator[Pusher]:
    """What pushes into the registry that was given, or else into one of our own."""
    if address is not None:
        with registry_pusher(address) as ready:
            yield ready
        return
    with (
        temporary_resources() as mine,
        local_registry(mine.folder) as host,
        registry_pusher(RegistryAddress(host=host)) as ready,
    ):
        yield ready
