"""Libraries weigh what their RECORD lists; an image's sizes agree with registry, engine and tar, to the byte."""

import gzip
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
from docker import DockerClient

from common.catalog.sizes import Runtime
from common.catalog.stacks import Stack, images
from common.engine.ownership import TEMPORARY
from common.errors import FailedError, UsageError
from common.packages.environments import environment
from common.packages.locks import lock
from common.registries.api import RegistryAddress
from common.registries.local import local_registry, require_program
from common.runtimes.candidates import Candidate
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import RunParameters
from loadtests.campaign.store import RunFolder
from loadtests.experiments.sizes.experiment import begin_sizes
from loadtests.experiments.sizes.records import FootprintRun, ImageFootprint, ImageVisit, LibrariesVisit, LibraryKind
from loadtests.experiments.sizes.visit import InstalledPackages, image_reader, libraries, measure_libraries
from tests.conftest import absent
from tests.support.footprints import footprint
from tests.support.records import NOON
from tests.support.tiny_images import tags_below
from tests.support.toy_experiment import printed, text_terminal
from tests.support.toy_packages import native, only_wheels, write_framework, write_wheel
from tests.support.toy_stacks import toy_stack

pytestmark = pytest.mark.parallel

Measured = tuple[ImageFootprint, str, Candidate]


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
def test_what_is_over_the_base_is_known_where_the_base_is(
    base: list[str] | None, unique_tar: int | None, unique_compressed: int | None
) -> None:
    found = footprint(base)
    assert (found.tar_bytes, found.compressed_bytes, found.zstd_bytes) == (600, 60, 6)
    assert (found.unique_tar_bytes, found.unique_compressed_bytes) == (unique_tar, unique_compressed)


def test_libraries_that_cannot_be_measured_are_the_visits_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise FailedError("falcon is not installed")

    monkeypatch.setattr("loadtests.experiments.sizes.visit.libraries", fail)
    blank = LibrariesVisit(run="run", round=1, position=1, cell="toy", started_at=NOON)
    visit = measure_libraries(blank, Candidate(stack=toy_stack(tmp_path, "toy")))
    assert (visit.error, visit.libraries) == ("falcon is not installed", [])


@contextmanager
def _environments_below(folder: Path) -> Iterator[None]:
    """Create environments there rather than with those of real stacks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "__kwdefaults__", {"root": folder / "environments"})
        yield


@pytest.fixture(scope="module")
def measured(engine: DockerClient, toy_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    """Measure a toy on slim by the whole experiment, through a registry that stays up."""
    try:
        require_program()
    except UsageError as error:
        absent(str(error))
    folder = tmp_path_factory.mktemp("sizes")
    candidate = Candidate(stack=toy_stack(folder, toy_name), image=images()["slim"])
    (folder / "registry").mkdir()
    terminal = text_terminal()
    with local_registry(folder / "registry") as host:
        begin = partial(
            begin_sizes,
            [candidate],
            address=RegistryAddress(host=host),
            runtime=Runtime.DOCKER,
            messages=terminal.messages,
        )
        with _environments_below(folder):
            summary = start("sizes", begin, RunParameters(seed=1, out=folder / "out"), terminal)
        assert tags_below(engine, host) == []
        written = RunFolder(folder=folder / "out")
        run = written.run()
        assert isinstance(run, FootprintRun)
        assert run.registry == host
        assert [type(one) for one in written.visits()] == [LibrariesVisit, ImageVisit]
        (weighed,) = summary.images.values()
        assert f"{weighed.compressed_bytes:,}" in printed(terminal.results)
        yield weighed, host, candidate


def test_compressed_is_what_the_registry_says_and_what_it_serves(measured: Measured) -> None:
    image, host, candidate = measured
    name, _, tag = str(candidate.tag).rpartition(":")
    accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    manifest = httpx.get(f"http://{host}/v2/{name}/manifests/{tag}", headers=accept).json()
    assert image.compressed_bytes == sum(layer["size"] for layer in manifest["layers"])
    for layer in image.layers:
        blob = httpx.get(f"http://{host}/v2/{name}/blobs/{layer.digest}").content
        assert len(blob) == layer.compressed_bytes
        assert len(gzip.decompress(blob)) == layer.tar_bytes


def test_compressed_is_what_docker_manifest_says(measured: Measured, tmp_path: Path) -> None:
    image, host, candidate = measured
    line = ["docker", "manifest", "inspect", "--insecure", f"{host}/{candidate.tag}"]
    environ = os.environ | {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CLI_EXPERIMENTAL": "enabled"}
    manifest = subprocess.run(line, capture_output=True, text=True, check=True, env=environ).stdout
    assert [layer["size"] for layer in json.loads(manifest)["layers"]] == [one.compressed_bytes for one in image.layers]


def test_layers_are_the_engines_and_the_base_is_found_among_them(engine: DockerClient, measured: Measured) -> None:
    image, _, candidate = measured
    assert [layer.diff_id for layer in image.layers] == engine.images.get(str(candidate.tag)).attrs["RootFS"]["Layers"]
    base = engine.images.get("python:3.13-slim").attrs["RootFS"]["Layers"]
    assert [layer.diff_id for layer in image.layers if layer.of_base] == base
    assert image.unique_tar_bytes == sum(layer.tar_bytes for layer in image.layers[len(base) :])
    assert 0 < (image.unique_compressed_bytes or 0) < image.compressed_bytes < image.tar_bytes


def test_packages_inside_are_found(measured: Measured) -> None:
    image, _, _ = measured
    assert image.packages
    assert all(one.size_bytes < image.files_bytes < image.tar_bytes for one in image.packages)


def test_a_registry_of_our_own_is_gone_afterwards_with_its_folders(engine: DockerClient) -> None:  # noqa: ARG001 -- pushing needs one
    with image_reader(None) as reader:
        host = reader._ready.registry.address.host
        assert httpx.get(f"http://{host}/v2/").status_code == 200
        mine = {folder for folder in TEMPORARY.iterdir() if folder.name.startswith(f"{os.getpid()}.")}
        assert mine
    assert not any(folder.exists() for folder in mine)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{host}/v2/")


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """``toy``, which requires ``base`` always, ``more`` with an extra, and nothing for Windows."""
    wheels = only_wheels(tmp_path, monkeypatch)
    monkeypatch.setattr(environment, "__kwdefaults__", {"root": tmp_path / "environments"})
    write_wheel(wheels, "toy", "1.0", "base>=1", "more; extra == 'full'", "base; sys_platform == 'win32'")
    write_wheel(wheels, "base", "1.0")
    write_wheel(wheels, "more", "2.0")
    toy = write_framework(tmp_path / "frameworks" / "toy", "toy[full]>=1")
    lock(toy)
    return native(toy)


def test_library_is_measured_alone_and_with_its_dependencies(stack: Stack) -> None:
    (library,) = libraries(stack)
    assert (library.kind, library.name, library.package) == (LibraryKind.FRAMEWORK, "toy", "toy")
    assert [package.name for package in library.packages] == ["base", "more", "toy"]
    assert library.total_bytes == sum(package.files_bytes + package.bytecode_bytes for package in library.packages)
    (toy,) = [package for package in library.packages if package.name == "toy"]
    assert library.alone_bytes == toy.files_bytes + toy.bytecode_bytes < library.total_bytes


def test_sizes_are_those_of_the_files_on_disk(stack: Stack) -> None:
    folder = environment(stack)
    (site,) = folder.glob("lib/python*/site-packages")
    files = [*site.glob("toy-1.0.dist-info/*"), site / "toy.py", folder / "bin" / "toy"]
    toy = InstalledPackages(folder).package("toy")
    assert toy.files_bytes == sum(file.stat().st_size for file in files)
    assert toy.bytecode_bytes == sum(file.stat().st_size for file in site.glob("__pycache__/toy.*.pyc")) > 0


def test_dependencies_of_an_extra_are_left_out_without_it(stack: Stack) -> None:
    installed = InstalledPackages(environment(stack))
    assert installed.closure(["toy"]) == ("base", "toy")
    assert installed.closure(["Toy[full]==1.0"]) == ("base", "more", "toy")


def test_package_that_is_not_installed_is_named(stack: Stack) -> None:
    with pytest.raises(FailedError, match="absent is required but not installed"):
        InstalledPackages(environment(stack)).closure(["absent"])
