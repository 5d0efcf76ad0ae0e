"""A stack's name says what is not usual about it."""

import pytest
from msgspec.structs import replace

from common.catalog.pythons import DEFAULT_PYTHON, OWN_PYTHON
from common.catalog.sizes import Runtime
from common.records.figure import Subject

PROCESS = Subject(framework="a", server="b", runtime=Runtime.PROCESS, python=OWN_PYTHON)
SLIM = Subject(framework="a", server="b", image="slim", runtime=Runtime.DOCKER, python=DEFAULT_PYTHON)


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        (PROCESS, "a+b"),
        (replace(PROCESS, python="pypy3.11"), "a+b@pypy3.11"),
        (SLIM, "a+b@slim"),
        (replace(SLIM, python="3.9"), "a+b@slim-py3.9"),
        (replace(SLIM, runtime=Runtime.FARGATE), "a+b@slim on Fargate"),
    ],
)
def test_the_python_is_named_where_it_is_not_the_usual_one(subject: Subject, name: str) -> None:
    assert subject.name == name
