"""The name of a wheel says which package it holds, whether it is compiled, and where it can be installed."""

import platform
import zipfile
from pathlib import Path

import pytest

from common.catalog.pythons import OWN_PYTHON
from common.errors import UsageError
from common.packages.wheels import is_compiled, package_of, version_of_wheel, wheel_at, why_unfit

MACHINE = platform.machine()
OWN = OWN_PYTHON.replace(".", "")


def _wheel(tags: str) -> Path:
    return Path(f"dist/Toy_Kit-3.0+x-{tags.format(MACHINE, OWN)}.whl")


def test_package_and_version_are_those_in_the_name() -> None:
    wheel = _wheel("py3-none-any")
    assert (package_of(wheel), version_of_wheel(wheel)) == ("toy-kit", "3.0+x")
    assert wheel_at(wheel.resolve().as_uri()) == wheel.resolve()


def test_a_file_that_is_not_named_like_a_wheel_is_refused() -> None:
    with pytest.raises(UsageError, match=r"toy\.whl is not named like a wheel: must be NAME-VERSION-PYTHON"):
        package_of(Path("toy.whl"))


@pytest.mark.parametrize(("file", "compiled"), [("toy.py", False), ("toy.cpython-313-x86_64-linux-gnu.so", True)])
def test_a_wheel_is_compiled_if_it_holds_extensions(tmp_path: Path, file: str, *, compiled: bool) -> None:
    """Optional ones are left out where there is no compiler, and the name of the wheel stays the same."""
    wheel = tmp_path / "toy-3.0-cp313-cp313-linux_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(file, "")
    assert is_compiled(wheel) is compiled


def test_a_wheel_that_is_no_archive_is_named(tmp_path: Path) -> None:
    (wheel := tmp_path / "toy-3.0-py3-none-any.whl").write_text("not a wheel")
    with pytest.raises(UsageError, match=r"py3-none-any\.whl cannot be read as a wheel: File is not a zip file"):
        is_compiled(wheel)


@pytest.mark.parametrize(
    ("tags", "python", "musl"),
    [
        ("py3-none-any", "3.13", False),
        ("py2.py3-none-any", "pypy3.11", True),
        ("cp313-cp313-manylinux_2_17_{0}", "3.13.2", False),
        ("cp314-cp314t-manylinux_2_17_{0}", "3.14t", False),
        ("cp315-cp315-manylinux_2_17_{0}", "3.15+jit", False),
        ("cp39-abi3-manylinux_2_17_{0}", "3.13", False),
        ("cp313-cp313-musllinux_1_1_{0}", "3.13", True),
        ("pp311-pypy311_pp73-manylinux_2_17_{0}", "pypy3.11", False),
        ("pp311-pypy311_pp80-manylinux_2_17_{0}", "pypy3.11", False),
        ("cp{1}-cp{1}-linux_{0}", OWN_PYTHON, False),
    ],
)
def test_a_wheel_fits_the_python_that_it_was_built_for(tags: str, python: str, *, musl: bool) -> None:
    assert why_unfit(_wheel(tags), python, musl=musl) is None


@pytest.mark.parametrize(
    ("tags", "python", "musl"),
    [
        ("cp312-cp312-manylinux_2_17_{0}", "3.13", False),
        ("cp314-cp314-manylinux_2_17_{0}", "3.14t", False),
        ("cp313-cp313-manylinux_2_17_{0}", "3.13", True),
        ("cp313-cp313-musllinux_1_2_{0}", "3.13", False),
        ("cp311-cp311-manylinux_2_17_{0}", "pypy3.11", False),
        ("py3-none-win_amd64", "3.13", False),
        ("cp313-cp313-manylinux_2_17_s390x", "3.13", False),
    ],
)
def test_a_wheel_for_another_python_or_platform_is_named_with_both(tags: str, python: str, *, musl: bool) -> None:
    wheel = _wheel(tags)
    reason = why_unfit(wheel, python, musl=musl)
    system = "Linux with musl" if musl else "Linux"
    assert reason is not None
    assert reason.startswith(f"{wheel.name} is built for ")
    assert reason.endswith(f", and cannot be installed on Python {python} on {system}, {MACHINE}")
