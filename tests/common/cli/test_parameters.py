"""The parameters that commands share select what their user named, or refuse it."""

import sys

import pytest

from common.catalog.sizes import Runtime
from common.cli import parameters
from common.cli.parameters import StackParameter, StackParameters
from common.errors import UsageError


def test_every_python_is_a_candidate_of_its_own() -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    asked = StackParameters(framework="raw_wsgi", python=f"{here},{here}").candidates(Runtime.PROCESS)
    assert [one.name for one in asked] == ["raw_wsgi+gunicorn-gthread"]
    assert all(one.interpreter is not None for one in asked)
    images = StackParameters(framework="raw_wsgi", image="slim", python="3.12,3.13").candidates(Runtime.DOCKER)
    assert [one.name for one in images] == ["raw_wsgi+gunicorn-gthread@slim-py3.12", "raw_wsgi+gunicorn-gthread@slim"]


@pytest.mark.parametrize("python", ["falcon", "3.12,", "", "3.13T"])
@pytest.mark.parametrize("runtime", [Runtime.PROCESS, Runtime.DOCKER])
def test_python_that_is_no_version_is_refused(runtime: Runtime, python: str) -> None:
    with pytest.raises(UsageError, match="invalid PYTHON="):
        StackParameters(framework="raw_wsgi", python=python).candidates(runtime)


def test_a_single_stack_is_not_one_of_several() -> None:
    with pytest.raises(UsageError, match=r"PYTHON= match 2 stacks\. Name one of falcon\+granian, flask\+granian\.$"):
        StackParameter(framework="falcon,flask", server="granian").candidate(Runtime.PROCESS)


def test_all_pythons_are_those_with_an_image() -> None:
    def pythons(image: str) -> list[str]:
        asked = StackParameters(framework="raw_wsgi", image=image, python="all")
        return [one.python for one in asked.candidates(Runtime.DOCKER)]

    cpython = ["3.11", "3.12", "3.13", "3.14", "3.15", "3.15+jit"]
    assert pythons("slim") == [*cpython, "pypy3.11"]
    assert pythons("alpine") == cpython


def test_all_pythons_are_those_installed_as_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    monkeypatch.setattr(parameters, "installed_pythons", lambda: [here])
    (only,) = StackParameters(framework="raw_wsgi", python="all").candidates(Runtime.PROCESS)
    assert only.python == here
