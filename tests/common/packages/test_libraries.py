"""What a library takes is what its RECORD lists, and what it needs is found through what is installed."""

from pathlib import Path

import pytest

from common.catalog.stacks import Stack
from common.errors import FailedError
from common.packages.environments import environment
from common.packages.libraries import Installed, libraries
from common.packages.locks import lock
from common.records.footprint import LibraryKind
from common.runtimes.candidates import Candidate
from tests.support.toy_packages import native, use_wheels_only, write_framework, write_wheel


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """``toy``, which needs ``base`` always, ``more`` only with an extra, and nothing of Windows."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    use_wheels_only(wheels, monkeypatch)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setattr(environment, "__kwdefaults__", {"root": tmp_path / "made"})
    write_wheel(wheels, "toy", "1.0", "base>=1", "more; extra == 'full'", "base; sys_platform == 'win32'")
    write_wheel(wheels, "base", "1.0")
    write_wheel(wheels, "more", "2.0")
    toy = write_framework(tmp_path / "frameworks" / "toy", "toy[full]>=1")
    lock(toy)
    return native(toy)


def test_a_library_alone_and_with_what_it_needs(stack: Stack) -> None:
    (found,) = libraries([Candidate(stack=stack)])
    assert (found.kind, found.name, found.package) == (LibraryKind.FRAMEWORK, "toy", "toy")
    assert [one.name for one in found.packages] == ["base", "more", "toy"]
    assert found.total_bytes == sum(one.files_bytes + one.bytecode_bytes for one in found.packages)
    (toy,) = [one for one in found.packages if one.name == "toy"]
    assert found.alone_bytes == toy.files_bytes + toy.bytecode_bytes < found.total_bytes


def test_bytes_are_those_on_disk(stack: Stack) -> None:
    folder = environment(stack)
    (site,) = folder.glob("lib/python*/site-packages")
    files = [*site.glob("toy-1.0.dist-info/*"), site / "toy.py", folder / "bin" / "toy"]
    found = Installed(folder).package("toy")
    assert found.files_bytes == sum(file.stat().st_size for file in files)
    assert found.bytecode_bytes == sum(file.stat().st_size for file in site.glob("__pycache__/toy.*.pyc")) > 0


def test_what_only_an_extra_needs_is_left_out_without_it(stack: Stack) -> None:
    installed = Installed(environment(stack))
    assert installed.needs(["toy"]) == ("base", "toy")
    assert installed.needs(["Toy[full]==1.0"]) == ("base", "more", "toy")


def test_a_package_that_is_not_installed_is_named(stack: Stack) -> None:
    with pytest.raises(FailedError, match="absent is not installed"):
        Installed(environment(stack)).needs(["absent"])
