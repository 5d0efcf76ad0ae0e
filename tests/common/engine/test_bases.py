"""Stand-ins for base images: which are made, which images are kept, and what is reported as missing."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

import common.engine.bases
from common.catalog.stacks import Image, images
from common.engine.bases import DEBIAN_NEEDS, _run, is_stand_in, make_bases, packages_missing
from common.errors import FailedError, UsageError
from tests.conftest import absent


@pytest.fixture
def slim(engine: DockerClient) -> Iterator[Image]:
    """The slim flavour under a name that no other test uses."""
    image = Image(name="slim", reference=f"stand-in-{secrets.token_hex(4)}:{{python}}")
    yield image
    for stand_in in engine.images.list(name=image.base("3.13", {})):
        engine.images.remove(str(stand_in.id), force=True)


@pytest.mark.long
def test_stand_in_is_labelled_and_resembles_the_official_image(engine: DockerClient, slim: Image) -> None:
    if missing := packages_missing(DEBIAN_NEEDS):
        absent(f"stand-ins need {' '.join(missing)}")
    make_bases([slim], report=lambda _: None)
    reference = slim.base("3.13", {})
    assert is_stand_in(reference)
    code = (
        "import glob, shutil, sys; "
        "print(sys.version_info[:2], shutil.which('pip'), glob.glob('/usr/**/*.pyc', recursive=True), "
        "glob.glob('/etc/apt/sources.list*') + glob.glob('/etc/apt/sources.list.d/*'))"
    )
    output = engine.containers.run(reference, ["python3", "-B", "-c", code], remove=True).decode().strip()
    assert output == "(3, 13) /usr/local/bin/pip [] ['/etc/apt/sources.list.d']"


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


def test_python_version_without_stand_ins_is_refused(slim: Image) -> None:
    with pytest.raises(
        UsageError, match=r"^invalid PYTHON=3\.12: stand-ins exist for 3\.13 only\. Use PYTHON=3\.13, or"
    ):
        make_bases([slim], "3.12", report=lambda _: None)


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
