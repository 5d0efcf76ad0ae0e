"""Stand-ins for base images: which are made, which images are kept, and what is reported as missing."""

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from docker import DockerClient

import common.engine.bases
from common.catalog.pythons import Python
from common.catalog.stacks import Image, images
from common.engine.bases import (
    DEBIAN_NEEDS,
    _make,
    _run,
    is_stand_in,
    make_bases,
    packages_missing,
    pythons_with_recipe,
)
from common.engine.builds import python_version_in
from common.errors import FailedError, UsageError
from tests.conftest import absent


@pytest.fixture
def slim(engine: DockerClient) -> Iterator[Image]:
    """The slim flavour under a name that no other test uses."""
    repository = f"stand-in-{secrets.token_hex(4)}"
    references = {"pypy": f"{repository}:pypy{{python}}", "free_threaded": f"{repository}:{{python}}t"}
    yield Image(name="slim", reference=f"{repository}:{{python}}", **references)
    for stand_in in engine.images.list(name=repository):
        engine.images.remove(str(stand_in.id), force=True)


@pytest.mark.long
@pytest.mark.parametrize("python", ["3.13", "3.15", "pypy3.11"])
def test_stand_in_is_labelled_and_resembles_the_official_image(engine: DockerClient, slim: Image, python: str) -> None:
    if missing := packages_missing(DEBIAN_NEEDS):
        absent(f"stand-ins need {' '.join(missing)}")
    make_bases([slim], python, report=lambda _: None)
    reference = slim.base(python, {})
    assert is_stand_in(reference)
    code = (
        "import glob, platform, shutil; "
        "print(platform.python_version(), shutil.which('pip'), glob.glob('/usr/**/*.pyc', recursive=True), "
        "glob.glob('/etc/apt/sources.list*') + glob.glob('/etc/apt/sources.list.d/*'))"
    )
    output = engine.containers.run(reference, ["python3", "-B", "-c", code], remove=True).decode().strip()
    version, _, rest = output.partition(" ")
    assert rest == "/usr/local/bin/pip [] ['/etc/apt/sources.list.d']"
    assert python_version_in(reference) == f"{'pypy' * python.startswith('pypy')}{version}"
    assert Python.parse(str(python_version_in(reference))).is_a(Python.parse(python))


def test_existing_base_images_are_kept(engine: DockerClient) -> None:
    existing = [image for image in images().values() if engine.images.list(name=image.base("3.13", {}))]
    before = [engine.images.get(image.base("3.13", {})).id for image in existing]
    lines: list[str] = []
    make_bases(existing, report=lines.append)
    assert [engine.images.get(image.base("3.13", {})).id for image in existing] == before
    assert [line.partition(": ")[2].startswith("already present") for line in lines] == [True] * len(existing)


@pytest.mark.usefixtures("engine")
def test_missing_image_is_not_a_stand_in() -> None:
    assert not is_stand_in("nowhere/nothing:1")


@pytest.mark.parametrize(
    ("needs", "missing"),
    [
        ({"sh": "dash"}, []),
        ({"no-such-program": "b", "/no/such/file": "a", "sh": "dash"}, ["a", "b"]),
    ],
)
def test_packages_of_missing_programs_and_files_are_named(needs: dict[str, str], missing: list[str]) -> None:
    assert packages_missing(needs) == missing


def test_python_of_which_no_stand_in_can_be_made_is_refused_with_those_of_which_one_can(slim: Image) -> None:
    accepted = (
        r"stand-ins exist of 3\.11, 3\.13, 3\.14, 3\.15, pypy3\.11, 3\.13t, 3\.14t, 3\.15t, on Alpine of 3\.13 only\."
    )
    with pytest.raises(
        UsageError, match=rf"^no stand-in can be made for PYTHON=3\.12 IMAGE=slim: {accepted} Use one of"
    ):
        make_bases([slim], "3.12", report=lambda _: None)


def test_an_interpreter_without_any_image_is_refused_instead_of_passed_over() -> None:
    with pytest.raises(UsageError, match=r"^no stand-in can be made for PYTHON=3\.14t IMAGE=alpine: "):
        make_bases((images()["alpine"],), "3.14t", report=lambda _: None)


def test_failed_recipe_is_reported_in_one_line(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.sh"
    recipe.write_text("#!/bin/sh\necho one; echo; echo two >&2; exit 3\n")
    recipe.chmod(0o755)
    with pytest.raises(
        FailedError, match=r"^recipe\.sh failed with exit status 3\. The end of its output: one \| two$"
    ):
        _run([recipe])


def test_missing_packages_are_named_before_anything_is_made(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch, slim: Image
) -> None:
    monkeypatch.setattr(common.engine.bases, "DEBIAN_NEEDS", {"no-such-program": "some-package"})
    with pytest.raises(UsageError, match=r"apt-get install some-package$"):
        make_bases([slim], report=lambda _: None)
    assert engine.images.list(name=slim.base("3.13", {})) == []


def test_all_stand_ins_are_those_that_need_not_be_compiled() -> None:
    assert pythons_with_recipe() == ["3.11", "3.13", "3.14", "3.15", "pypy3.11"]


@pytest.mark.parametrize("optimised", [False, True])
def test_a_free_threaded_build_is_configured_with_pgo_and_lto_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, optimised: bool
) -> None:
    lines = list[list[str]]()

    def run(line: Sequence[str | Path]) -> None:
        lines.append([str(word) for word in line])
        (tmp_path / "libraries").write_text("libssl3,zlib1g\n")
        (tmp_path / "version").write_text("3.13.5t\n")

    monkeypatch.setattr(common.engine.bases, "_run", run)
    monkeypatch.setattr(common.engine.bases, "debian_mirror", lambda: "mirror")
    monkeypatch.setattr(common.engine.bases, "_import_image", lambda *parts: parts[-1])
    expected = "--disable-gil" + " --enable-optimizations --with-lto" * optimised
    assert _make(images()["slim"], "3.13t", tmp_path, optimised=optimised) == expected
    compiled, installed = (line[1:] for line in lines)
    assert compiled == ["trixie", "python3.13", expected, "mirror", str(tmp_path)]
    assert installed[:2] == ["slim", "trixie"]
    assert "libssl3,zlib1g" in installed
    assert installed[-1] == str(tmp_path / "python.tar")
