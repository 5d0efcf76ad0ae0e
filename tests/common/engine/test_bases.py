"""Stand-ins for base images: what is made, what is left alone, what is missing."""

import secrets
from collections.abc import Iterator

import pytest
from docker import DockerClient

import common.engine.bases
from common.catalog.images import Image, images
from common.engine.bases import DEBIAN_NEEDS, is_stand_in, make_bases, packages_missing
from common.errors import UsageError
from tests.conftest import absent


@pytest.fixture
def slim(engine: DockerClient) -> Iterator[Image]:
    """The slim flavour under a name that nobody else uses."""
    image = Image(name="slim", reference=f"stand-in-{secrets.token_hex(4)}:{{python}}")
    yield image
    for made in engine.images.list(name=image.base("3.13", {})):
        engine.images.remove(str(made.id), force=True)


def test_a_stand_in_is_labelled_and_like_the_official_image(engine: DockerClient, slim: Image) -> None:
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
    told = engine.containers.run(reference, ["python3", "-B", "-c", code], remove=True).decode().strip()
    assert told == "(3, 13) /usr/local/bin/pip [] ['/etc/apt/sources.list.d']"


def test_what_is_there_already_is_left_as_it_is(engine: DockerClient) -> None:
    there = [image for image in images().values() if engine.images.list(name=image.base("3.13", {}))]
    before = [engine.images.get(image.base("3.13", {})).id for image in there]
    told: list[str] = []
    make_bases(there, report=told.append)
    assert [engine.images.get(image.base("3.13", {})).id for image in there] == before
    assert [line.partition(": ")[2].startswith("is there already") for line in told] == [True] * len(there)


@pytest.mark.usefixtures("engine")
def test_what_is_no_image_is_no_stand_in() -> None:
    assert not is_stand_in("nowhere/nothing:1")


@pytest.mark.parametrize(
    ("needs", "missing"),
    [
        ({"sh": "dash"}, []),
        ({"no-such-program": "b", "/no/such/file": "a", "sh": "dash"}, ["a", "b"]),
    ],
)
def test_packages_that_are_missing_are_named(needs: dict[str, str], missing: list[str]) -> None:
    assert packages_missing(needs) == missing


def test_a_version_without_stand_ins_is_told_so(slim: Image) -> None:
    with pytest.raises(UsageError, match=r"PYTHON=3\.12 has no stand-in\. Accepted: 3\.13"):
        make_bases([slim], "3.12", report=lambda _: None)


def test_missing_packages_are_told_before_anything_is_made(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch, slim: Image
) -> None:
    monkeypatch.setattr(common.engine.bases, "DEBIAN_NEEDS", {"no-such-program": "some-package"})
    with pytest.raises(UsageError, match=r"apt-get install some-package$"):
        make_bases([slim], report=lambda _: None)
    assert engine.images.list(name=slim.base("3.13", {})) == []
