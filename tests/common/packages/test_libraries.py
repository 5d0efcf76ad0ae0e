"""Tests that sizes of libraries come from their RECORD and dependencies from the installed metadata."""

from pathlib import Path

import pytest

from common.catalog.stacks import Stack
from common.errors import FailedError
from common.packages.environments import environment
from common.packages.libraries import InstalledPackages, libraries
from common.packages.locks import lock
from common.records.experiments.footprint import LibraryKind
from tests.support.toy_packages import native, use_wheels_only, write_framework, write_wheel


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """``toy``, which requires ``base`` always, ``more`` with an extra, and nothing for Windows."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    use_wheels_only(wheels, monkeypatch)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
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
