"""Tests of base images by name and of image tags."""

from pathlib import Path

import pytest

from common.catalog.images import image_tag, images, parse_interpreter, parse_python
from common.errors import UsageError
from common.words import select
from tests.support.toy_stacks import toy_stack


@pytest.mark.parametrize(
    ("name", "env", "expected"),
    [
        ("fat", {}, "python:3.13"),
        ("slim", {}, "python:3.13-slim"),
        ("alpine", {}, "python:3.13-alpine"),
        ("slim", {"BASE_REGISTRY": "mirror.example:5000/library/"}, "mirror.example:5000/library/python:3.13-slim"),
        ("slim", {"BASE": "mirror.example/own@sha256:12"}, "mirror.example/own@sha256:12"),
        ("slim", {"BASE": "own:1", "BASE_REGISTRY": "mirror.example"}, "own:1"),
        ("slim", {"BASE": "", "BASE_REGISTRY": ""}, "python:3.13-slim"),
    ],
)
def test_base_comes_from_the_table_unless_a_variable_overrides_it(
    name: str, env: dict[str, str], expected: str
) -> None:
    assert images()[name].base("3.13", env) == expected


def test_images_are_selected_like_every_other_name() -> None:
    assert select("Alpine,FAT", images(), variable="IMAGE") == ("fat", "alpine")
    with pytest.raises(UsageError, match=r"IMAGE=slimm is unknown\. Did you mean slim\?"):
        select("slimm", images(), variable="IMAGE")


def test_tag_contains_framework_server_image_and_python(tmp_path: Path) -> None:
    assert image_tag(toy_stack(tmp_path, "toy"), images()["slim"], "3.14") == (
        "api-framework-benchmark/toy:native-slim-py3.14"
    )


@pytest.mark.parametrize("text", ["", "2.7", "3", "latest", "3.13-slim", "3.13;x"])
def test_invalid_python_version_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^invalid PYTHON=.*: must be a version such as 3\.13"):
        parse_python(text)


@pytest.mark.parametrize("text", ["3.14t", "pypy3.11", "3.13", "3.13.2"])
def test_process_runtime_has_other_interpreters_than_images(text: str) -> None:
    assert parse_interpreter(text) == text
    if text.startswith("3.13"):
        assert parse_python(text) == text
    else:
        with pytest.raises(UsageError, match=r"PyPy and free-threaded builds need RUNTIME=process"):
            parse_python(text)


@pytest.mark.parametrize("text", ["", "pypy", "3.14T", "pypy3.11t", "jython2.7", "3"])
def test_invalid_interpreter_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^invalid PYTHON=.*3\.14t for a free-threaded build, or pypy3\.11"):
        parse_interpreter(text)
