"""The wheel of a checkout for an image is built inside a base image with a compiler and the same C library."""

from collections.abc import Iterable
from pathlib import Path
from unittest import mock

import pytest

from common.catalog.stacks import images
from common.engine import wheels
from common.engine.wheels import wheel_in_image
from common.errors import FailedError, UsageError
from common.packages.wheels import is_compiled
from tests.support.toy_packages import only_wheels, write_checkout

COMPILING = """
import pathlib, subprocess, sysconfig, zipfile
def build_wheel(folder, settings=None, metadata=None):
    tag = sysconfig.get_config_var("SOABI").split("-")[1]
    wheel = f"toy-3.0-cp{tag}-cp{tag}-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}.whl"
    include = sysconfig.get_path("include")
    subprocess.run(["gcc", "-shared", "-fPIC", f"-I{include}", "toy.c", "-o", "toy.so"], check=True)
    with zipfile.ZipFile(pathlib.Path(folder) / wheel, "w") as archive:
        archive.write("toy.so")
        archive.writestr("toy-3.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: toy\\nVersion: 3.0\\n")
        archive.writestr("toy-3.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\n")
        archive.writestr("toy-3.0.dist-info/RECORD", "")
    return wheel
"""
EXTENSION = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "toy", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_toy(void) { return PyModule_Create(&module); }
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of the package toy, which builds version 3.0."""
    only_wheels(tmp_path, monkeypatch)
    return write_checkout(tmp_path / "checkout", "toy", "3.0")


class Builder:
    """Stands in for the engine: records the base images, and leaves a wheel of the source distribution."""

    def __init__(self, *, succeeds: bool = True) -> None:
        self.succeeds, self.bases, self.sources = succeeds, list[str](), list[str]()

    def run(self, client: str, options: Iterable[str], context: Path, *, secrets: Path, log: Path) -> bool:
        """Take the place of ``run_build``."""
        assert client == "docker"
        assert secrets.is_dir()
        given = dict(option.split("=", 1) for option in options)
        self.bases.append(given["--build-arg"].removeprefix("BASE="))
        self.sources += [path.name for path in (context / "source").iterdir()]
        log.write_text("gcc: not found")
        if self.succeeds:
            folder = Path(given["--output"].rpartition("dest=")[2])
            (folder / "toy-3.0-py3-none-any.whl").touch()
        return self.succeeds


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Builder:
    """What builds instead of the engine."""
    made = Builder()
    monkeypatch.setattr(wheels, "run_build", made.run)
    monkeypatch.setattr(wheels, "build_client", lambda: "docker")
    monkeypatch.setattr(wheels, "require_base", lambda _: None)
    monkeypatch.setattr(wheels, "LOGS", tmp_path / "logs")
    return made


@pytest.mark.parametrize(
    ("image", "python", "base"),
    [
        ("slim", "3.13", "python:3.13"),
        ("fat", "3.15+jit", "python:3.15"),
        ("alpine", "3.12", "python:3.12-alpine"),
        ("slim", "pypy3.11", "pypy:3.11"),
    ],
)
def test_a_wheel_is_built_once_where_there_is_a_compiler(  # noqa: PLR0917 -- fixtures and parameters
    checkout: Path, builder: Builder, tmp_path: Path, image: str, python: str, base: str
) -> None:
    first = wheel_in_image(checkout, images()[image], python, root=tmp_path / "built")
    assert wheel_in_image(checkout, images()[image], python, root=tmp_path / "built") == first
    assert (builder.bases, builder.sources) == ([base], ["toy-3.0.tar.gz"])


def test_images_with_the_same_compiler_share_a_wheel(checkout: Path, builder: Builder, tmp_path: Path) -> None:
    built = {wheel_in_image(checkout, images()[name], "3.13", root=tmp_path / "built") for name in ("slim", "fat")}
    assert (len(built), len(builder.bases)) == (1, 1)


def test_another_base_gives_another_wheel(
    checkout: Path, builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = wheel_in_image(checkout, images()["slim"], "3.13", root=tmp_path / "built")
    monkeypatch.setenv("BASE", "registry.example/own@sha256:12")
    assert wheel_in_image(checkout, images()["slim"], "3.13", root=tmp_path / "built") != first
    assert builder.bases == ["python:3.13", "registry.example/own@sha256:12"]


def test_a_build_that_fails_is_one_error_with_the_end_of_its_log(
    checkout: Path, builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "log_tail", Path.read_text)
    builder.succeeds = False
    with pytest.raises(FailedError, match=r"^no wheel of .*checkout could be built on python:3\.13; gcc: not found"):
        wheel_in_image(checkout, images()["slim"], "3.13", root=tmp_path / "built")


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_a_python_of_which_there_is_no_image_is_refused(checkout: Path, tmp_path: Path) -> None:
    with mock.patch.object(wheels, "run_build", side_effect=AssertionError), pytest.raises(UsageError, match=r"3\.14t"):
        wheel_in_image(checkout, images()["slim"], "3.14t", root=tmp_path / "built")


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_compiled_code_is_built_for_the_python_of_the_image(checkout: Path, tmp_path: Path) -> None:
    (checkout / "toy.c").write_text(EXTENSION)
    backend = checkout / "backend.py"
    backend.write_text(backend.read_text().replace('"backend.py",', '"backend.py", "toy.c",') + COMPILING)
    wheel = wheel_in_image(checkout, images()["slim"], "3.13", root=tmp_path / "built")
    assert wheel.name.startswith("toy-3.0-cp313-cp313-linux")
    assert is_compiled(wheel)
    with pytest.raises(FailedError, match=r"no wheel of .* could be built on python:3\.13-alpine; the end of .*gcc"):
        wheel_in_image(checkout, images()["alpine"], "3.13", root=tmp_path / "built")
