"""An image's sizes are the registry's, the engine's and the tar's own, to the byte."""

import gzip
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from docker import DockerClient
from rich.console import Console

from common.catalog.images import images
from common.engine.layers import Layer
from common.engine.temporary import TEMPORARY
from common.errors import UsageError
from common.packages.environments import environment
from common.records.footprint import ImageSize, Library, LibraryKind, LibraryPackage, PackageSize, Sizes
from common.registries.api import Blob, RegistryAddress
from common.registries.local import local_registry, require_program
from common.runtimes.candidates import Candidate
from loadtests.sizes import report as sizes_report
from loadtests.sizes import weighing as sizes
from loadtests.sizes.weighing import image_size, layer_sizes, run_sizes
from tests.conftest import absent
from tests.support.records import NOON, run
from tests.support.tiny_images import tags_below
from tests.support.toy_stacks import toy_stack

BLOBS = [Blob(media_type="m", digest=f"sha256:b{n}", size=10 * n) for n in (1, 2, 3)]
LAYERS = [Layer(diff_id=f"d{n}", tar_bytes=100 * n, zstd_bytes=n, files={}, texts={}) for n in (1, 2, 3)]


def an_image(name: str, *, lock_sha256: str = "0" * 64, bytes_: int = 10, base: list[str] | None = None) -> ImageSize:
    blobs = [Blob(media_type="m", digest="sha256:b", size=bytes_), *BLOBS[1:]]
    package = PackageSize(name="falcon", version="1", kind="python", size_bytes=3_900_000)
    return image_size(
        layer_sizes(blobs, LAYERS, base),
        name=name,
        framework=name.partition("+")[0],
        server="b",
        image="slim",
        image_id="sha256:i",
        lock_sha256=lock_sha256,
        manifest_digest="sha256:m",
        base="python:3.13-slim",
        stand_in_base=True,
        packages=[package, PackageSize(name="libc6", version="2", kind="debian", size_bytes=12_800_000)],
        files_bytes=5,
    )


def some_sizes(images: list[ImageSize], **changes: Any) -> Sizes:  # noqa: ANN401 -- any field
    package = LibraryPackage(name="falcon", version="4.4", files_bytes=1000, bytecode_bytes=200)
    library = Library(
        kind=LibraryKind.FRAMEWORK,
        name="falcon",
        interface="wsgi",
        package="falcon",
        packages=[package],
        alone_bytes=1200,
        total_bytes=1200,
    )
    fields: dict[str, Any] = {
        "id": "x",
        "started_at": NOON,
        "revision": None,
        "machine": run([]).machine,
        "registry": None,
        "zstd_level": 3,
        "libraries": [library],
        "images": images,
        "missing": {},
    }
    return Sizes(**fields | changes)


@pytest.mark.parametrize(
    ("base", "unique_tar", "unique_compressed"),
    [
        (["d1"], 500, 50),
        (["d1", "d2"], 300, 30),
        ([], 600, 60),
        (["other"], None, None),  # the tag of the base was given to another image since
        (None, None, None),
    ],
)
def test_what_is_over_the_base_is_told_where_the_base_is_known(
    base: list[str] | None, unique_tar: int | None, unique_compressed: int | None
) -> None:
    found = an_image("a+b@slim", base=base)
    assert (found.tar_bytes, found.compressed_bytes, found.zstd_bytes) == (600, 60, 6)
    assert (found.unique_tar_bytes, found.unique_compressed_bytes) == (unique_tar, unique_compressed)


def test_tables_have_every_figure_and_notes_every_gap() -> None:
    found = some_sizes([an_image("a+b@slim", base=["d1"]), an_image("c+b@slim")], missing={"d+b@slim": "no wheel"})
    assert list(sizes_report.library_rows(found)) == [
        ("falcon", "framework, wsgi", "falcon", "4.4", "1,200", "1,200", "1")
    ]
    assert list(sizes_report.image_rows(found)) == [
        ("a+b@slim", "600", "60", "6", "500", "50", "3"),
        ("c+b@slim", "600", "60", "6", "-", "-", "3"),
    ]
    assert ("slim", "libc6 12.8") in list(sizes_report.package_rows(found))
    notes = "\n".join(sizes_report.notes(found))
    assert "missing for c+b@slim, because the base" in notes
    assert "d+b@slim: missing, because no wheel" in notes
    assert "stand-in base" in notes
    assert "computed" in notes


@contextmanager
def environments_below(folder: Path) -> Iterator[None]:
    """Environments are made there, and not where those of real stacks are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "__kwdefaults__", {"root": folder / "environments"})
        yield


@pytest.fixture(scope="module")
def measured(
    engine: DockerClient, toy_name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ImageSize, str, Candidate]]:
    """A toy on slim, weighed by the whole verb in a registry that is still there."""
    try:
        require_program()
    except UsageError as error:
        absent(str(error))
    folder = tmp_path_factory.mktemp("sizes")
    candidate = Candidate(stack=toy_stack(folder, toy_name), image=images()["slim"])
    (folder / "registry").mkdir()
    with local_registry(folder / "registry") as host:
        with (folder / "printed").open("w") as printed, environments_below(folder):
            run_sizes([candidate], RegistryAddress(host=host), folder / "out", Console(file=printed, width=150))
        assert tags_below(engine, host) == []
        record = msgspec.json.decode((folder / "out" / "sizes.json").read_bytes(), type=Sizes)
        assert record.registry == host
        assert f"{record.images[0].compressed_bytes:,}" in (folder / "printed").read_text()
        yield record.images[0], host, candidate


def test_compressed_is_what_the_registry_says_and_what_it_serves(measured: tuple[ImageSize, str, Candidate]) -> None:
    image, host, candidate = measured
    name, _, tag = str(candidate.tag).rpartition(":")
    accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    manifest = httpx.get(f"http://{host}/v2/{name}/manifests/{tag}", headers=accept).json()
    assert image.compressed_bytes == sum(layer["size"] for layer in manifest["layers"])
    for layer in image.layers:
        blob = httpx.get(f"http://{host}/v2/{name}/blobs/{layer.digest}").content
        assert len(blob) == layer.compressed_bytes
        assert len(gzip.decompress(blob)) == layer.tar_bytes


def test_compressed_is_what_docker_manifest_says(measured: tuple[ImageSize, str, Candidate], tmp_path: Path) -> None:
    image, host, candidate = measured
    line = ["docker", "manifest", "inspect", "--insecure", f"{host}/{candidate.tag}"]
    environ = os.environ | {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CLI_EXPERIMENTAL": "enabled"}
    told = subprocess.run(line, capture_output=True, text=True, check=True, env=environ).stdout
    assert [layer["size"] for layer in json.loads(told)["layers"]] == [one.compressed_bytes for one in image.layers]


def test_layers_are_the_engines_and_the_base_is_found_among_them(
    engine: DockerClient, measured: tuple[ImageSize, str, Candidate]
) -> None:
    image, _, candidate = measured
    assert [layer.diff_id for layer in image.layers] == engine.images.get(str(candidate.tag)).attrs["RootFS"]["Layers"]
    base = engine.images.get("python:3.13-slim").attrs["RootFS"]["Layers"]
    assert [layer.diff_id for layer in image.layers if layer.of_base] == base
    assert image.unique_tar_bytes == sum(layer.tar_bytes for layer in image.layers[len(base) :])
    assert 0 < (image.unique_compressed_bytes or 0) < image.compressed_bytes < image.tar_bytes


def test_packages_inside_are_found(measured: tuple[ImageSize, str, Candidate]) -> None:
    image, _, _ = measured
    assert image.packages
    assert all(one.size_bytes < image.files_bytes < image.tar_bytes for one in image.packages)


def test_without_an_engine_there_are_libraries_and_the_reason(tmp_path: Path) -> None:
    with (tmp_path / "printed").open("w") as printed, environments_below(tmp_path):
        candidate = Candidate(stack=toy_stack(tmp_path, "toy_without"))
        run_sizes([candidate], None, tmp_path / "out", Console(file=printed, width=150))
    assert "images: missing, because no Docker engine answers" in (tmp_path / "printed").read_text()


def test_a_registry_of_our_own_is_gone_afterwards_with_its_folders(engine: DockerClient) -> None:  # noqa: ARG001 -- pushing needs one
    with sizes._pusher(None) as ready:
        host = ready.registry.address.host
        assert httpx.get(f"http://{host}/v2/").status_code == 200
        mine = {folder for folder in TEMPORARY.iterdir() if folder.name.startswith(f"{os.getpid()}.")}
        assert mine
    assert not any(folder.exists() for folder in mine)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{host}/v2/")
