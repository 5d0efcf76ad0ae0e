"""Names of Pythons: what is accepted, what each stands for, and what is refused with which way out."""

import pytest

from common.catalog.pythons import KNOWN_PYTHONS, Python, parse_pythons, python_place, python_series
from common.errors import UsageError


@pytest.mark.parametrize(
    "text", ["3.13", "3.13.2", "3.14t", "3.14.8t", "3.15+jit", "3.15t+jit", "3.15.0rc2", "pypy3.11", "pypy3.11.13"]
)
def test_a_name_is_printed_as_it_is_read(text: str) -> None:
    assert str(Python.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "2.7", "3", "latest", "3.13-slim", "3.13;x", "pypy", "3.14T", "jython2.7", "3.13jit"]
)
def test_an_invalid_name_is_refused_with_what_is_accepted(text: str) -> None:
    accepted = (
        r"must be a version such as 3\.13 or 3\.13\.2, 3\.14t for a free-threaded build, 3\.15\+jit .* or pypy3\.11"
    )
    with pytest.raises(UsageError, match=rf"^invalid PYTHON=.*: {accepted}\.$"):
        Python.parse(text)
    with pytest.raises(UsageError, match=rf"^invalid PYTHON=.*: {accepted}, or all\.$"):
        parse_pythons(text, list)


@pytest.mark.parametrize(
    ("text", "way_out"),
    [
        ("pypy3.11t", "Use PYTHON=pypy3.11."),
        ("pypy3.11+jit", "Use PYTHON=pypy3.11."),
        ("3.13+jit", "Leave out +jit."),
        ("3.12t", "Leave out the t."),
    ],
)
def test_a_build_that_does_not_exist_is_refused_with_the_way_out(text: str, way_out: str) -> None:
    with pytest.raises(UsageError) as caught:
        Python.parse(text)
    assert str(caught.value).startswith(f"invalid PYTHON={text}: ")
    assert str(caught.value).endswith(way_out)


def test_a_list_names_each_python_once() -> None:
    assert parse_pythons("3.14, 3.15+jit,3.14", list) == ("3.14", "3.15+jit")


def test_all_stands_for_every_python_that_there_is_beside_those_that_are_named() -> None:
    assert parse_pythons("3.13.2, All,3.14", lambda: ["3.14", "pypy3.11"]) == ("3.13.2", "3.14", "pypy3.11")


def test_pythons_are_sorted_by_version_with_the_usual_build_first_and_pypy_last() -> None:
    expected = ["3.11", "3.12", "3.13", "3.13t", "3.14", "3.14t", "3.15", "3.15+jit", "3.15t", "pypy3.11"]
    assert sorted(KNOWN_PYTHONS, key=python_place) == expected
    assert python_place("3.15.0rc2") > python_place("3.9")


@pytest.mark.parametrize(
    ("version", "series"),
    [
        ("3.13.2", "3.13"),
        ("3.14.0t", "3.14t"),
        ("3.15.0+jit", "3.15+jit"),
        ("3.15.0rc2", "3.15"),
        ("pypy3.11.17", "pypy3.11"),
    ],
)
def test_a_series_is_a_version_without_its_last_number(version: str, series: str) -> None:
    assert python_series(version) == series


def test_markers_of_requirements_are_those_of_the_interpreter() -> None:
    assert Python.parse("3.14.8t").markers["python_version"] == "3.14"
    assert Python.parse("pypy3.11.17").markers["implementation_name"] == "pypy"
    assert Python.parse("pypy3.11.17").markers["platform_python_implementation"] == "PyPy"


def test_a_version_is_one_of_its_series_and_of_no_other_build() -> None:
    assert Python.parse("3.15.0rc2").is_a(Python.parse("3.15"))
    assert not Python.parse("3.15.0t").is_a(Python.parse("3.15"))
    assert not Python.parse("3.11.13").is_a(Python.parse("3.11.1"))


def test_only_the_jit_is_switched_on_when_a_server_starts() -> None:
    assert Python.parse("3.15+jit").variables == {"PYTHON_JIT": "1"}
    assert str(Python.parse("3.15+jit").interpreter) == "3.15"
    assert Python.parse("3.14t").variables == {}
