"""A comparison says what its sides were built from, and what differs between them apart from that."""

from typing import Any

import pytest

from common.records.run import Cell, CompareRun, Origin
from loadtests.experiments.compare import report
from tests.support.records import cell, compare_run

SHARED = {"gunicorn": "26.0.0", "packaging": "25.0"}


def _cell(name: str, *, title: str = "Flask", **packages: str) -> Cell:
    return cell(name, title=title, python="3.13.5", packages=SHARED | packages, server_packages=["gunicorn==26.0.0"])


def _run(a: Cell, b: Cell, **fields: Any) -> CompareRun:  # noqa: ANN401 -- any field
    made: CompareRun = compare_run([a, b], sides=[a.name, b.name], **fields)
    return made


@pytest.mark.parametrize(
    ("b", "said"),
    [
        ({}, "environments: apart from flask, the sides have the same packages."),
        ({"flask": "3.1"}, "environments: apart from flask, the sides have the same packages."),
        ({"werkzeug": "3.1"}, "environments: apart from flask, the sides differ in werkzeug==3.0 | werkzeug==3.1."),
        ({"blinker": "1.9"}, "environments: apart from flask, the sides differ in none | blinker==1.9."),
    ],
)
def test_what_differs_apart_from_the_package_under_test_is_printed(b: dict[str, str], said: str) -> None:
    first = {"flask": "3.0", "werkzeug": "3.0"}
    assert [*report.notes(_run(_cell("a", **first), _cell("b", **first | b)))] == [said]


def test_a_package_that_only_one_side_has_is_printed_on_either_side() -> None:
    (said,) = report.notes(_run(_cell("a", extra="1"), _cell("b")))
    assert said.endswith(" in extra==1 | none.")


def test_of_different_frameworks_only_what_both_have_is_compared() -> None:
    a, b = _cell("a", flask="3.0", werkzeug="3.0"), _cell("b", title="Django", django="5.2", asgiref="3.9")
    (said,) = report.notes(_run(a, b))
    assert said == "environments: apart from django, flask, the sides have the same versions of shared packages."


def test_different_pythons_and_servers_are_told_apart() -> None:
    a, b = _cell("a"), cell("b", title="Flask", server="granian", server_packages=["granian==2.5"], packages=SHARED)
    (said,) = report.notes(_run(a, b))
    assert said.startswith("environments: apart from flask, granian, gunicorn, the sides differ in python==3.13.5 | ")


def test_old_records_without_packages_or_origins_say_nothing() -> None:
    assert [*report.notes(_run(cell("a"), cell("b")))] == []


def test_what_a_side_was_built_from_is_said() -> None:
    origins = [
        Origin(commit="1a2b3c4 Be faster", dirty=True, wheel="falcon-4.1-cp313-cp313-linux_x86_64.whl", compiled=True),
        Origin(wheel="falcon-4.1-py3-none-any.whl"),
    ]
    said = [*report.notes(_run(cell("./falcon"), cell("./dist/x.whl"), origins=origins))]
    assert said == [
        "./falcon is commit 1a2b3c4 Be faster, with changes that are not committed.",
        "./falcon is installed from falcon-4.1-cp313-cp313-linux_x86_64.whl, compiled.",
        "./dist/x.whl is installed from falcon-4.1-py3-none-any.whl, pure Python.",
    ]
