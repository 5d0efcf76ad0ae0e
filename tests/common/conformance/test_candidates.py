"""Tests of how outcomes of the suite are recorded and printed, with the deviations that a framework declares."""

import io

from rich.console import Console

from common.conformance.candidates import conformance_record, conformance_tables
from common.conformance.running import Failure, SuiteOutcome
from common.records.run import Conformance

OUTCOME = SuiteOutcome(
    passed=("test_a.py::test_x[/HELLO]", "test_a.py::test_y"),
    failed=(Failure("test_a.py::test_z[/HELLO]", "returns 200"),),
    observed={},
    divergences={},
    duration_s=1.0,
)


def printed(outcome: Conformance) -> str:
    """Return the tables of one stack as they are printed."""
    console = Console(file=io.StringIO(), width=150)
    console.print(conformance_tables({"a+b": outcome}))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_test_that_fails_as_declared_is_a_deviation_and_no_failure() -> None:
    record = conformance_record(OUTCOME, {"test_a.py::test_z[/HELLO]": "its router ignores case"})
    assert record.failed == {}
    assert record.deviations == {"test_a.py::test_z[/HELLO]": "its router ignores case"}
    assert "conforms, with deviations" in printed(record)
    assert "its router ignores case" in printed(record)


def test_declared_deviation_that_passes_is_a_failure() -> None:
    record = conformance_record(OUTCOME, {"test_a.py::test_y": "its router ignores case"})
    assert set(record.failed) == {"test_a.py::test_y", "test_a.py::test_z[/HELLO]"}
    assert "remove it from the framework's pyproject.toml" in record.failed["test_a.py::test_y"]
    assert record.deviations == {}


def test_declared_deviation_that_was_not_run_is_neither() -> None:
    record = conformance_record(OUTCOME, {"test_a.py::test_unknown": "its router ignores case"})
    assert set(record.failed) == {"test_a.py::test_z[/HELLO]"}
    assert record.deviations == {}


def test_name_of_a_test_is_printed_unchanged_and_not_taken_for_markup() -> None:
    output = printed(conformance_record(OUTCOME))
    assert "test_a.py::test_z[/HELLO]" in output
    assert "nonconforming" in output
    assert "deviations" not in output
