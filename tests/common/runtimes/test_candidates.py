"""Tests of what candidates are called and where they are not available."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.catalog.images import images
from common.runtimes.candidates import Candidate
from tests.support.toy_stacks import toy_stack


def candidate(tmp_path: Path, requires_python: str) -> Candidate:
    """Return a toy stack that needs certain Pythons, in the process runtime."""
    stack = toy_stack(tmp_path, "toy", unavailable={"alpine": "has no wheel"})
    return Candidate(stack=replace(stack, framework=replace(stack.framework, requires_python=requires_python)))


def test_process_is_unavailable_on_a_python_that_is_too_old(tmp_path: Path) -> None:
    assert candidate(tmp_path, ">=3.11").unavailable is None
    assert (candidate(tmp_path, ">=9.9").unavailable or "").startswith("it needs Python >=9.9, and this is 3.")


def test_interpreter_that_was_named_is_left_to_the_installer(tmp_path: Path) -> None:
    assert replace(candidate(tmp_path, ">=9.9"), interpreter=Path("/opt/python9")).unavailable is None


@pytest.mark.parametrize(
    ("image", "python", "reason"),
    [
        ("slim", "3.13", None),
        ("slim", "3.12.4", None),
        ("slim", "3.11", "it needs Python >=3.12, and this is 3.11"),
        ("alpine", "3.11", "has no wheel"),
    ],
)
def test_image_is_judged_by_its_own_python(tmp_path: Path, image: str, python: str, reason: str | None) -> None:
    one = replace(candidate(tmp_path, ">=3.12"), image=images()[image], python=python)
    assert one.unavailable == reason
