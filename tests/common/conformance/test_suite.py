"""Tests that the suite passes a correct server, and that each faulty server fails exactly the tests its fault names."""

import re
from pathlib import Path

import pytest

from common.catalog.frameworks import App
from common.conformance import running
from common.conformance.suite.conftest import skip_reason
from tests.common.conformance import (
    faulty_additions,
    faulty_delays,
    faulty_hello,
    faulty_orders,
    faulty_routes,
    faulty_service,
    faulty_sleep,
    faulty_wire,
)
from tests.common.conformance.faults import FAULTS, Fault
from tests.common.conformance.good_orders import GoodOrders
from tests.common.conformance.good_server import Closing, Good, serving
from tests.common.conformance.good_service import GoodService

__all__ = [
    "faulty_additions",
    "faulty_delays",
    "faulty_hello",
    "faulty_orders",
    "faulty_routes",
    "faulty_service",
    "faulty_sleep",
    "faulty_wire",
]
pytestmark = [pytest.mark.slow, pytest.mark.parallel]
PATIENCE_S = 1.6
"""More than the longest sleep that the suite waits for, and less than the faulty servers that hang."""


class Listener:
    """A pytest plugin that collects the names of passed, skipped and failed tests."""

    def __init__(self) -> None:
        self.passed: set[str] = set()
        self.skipped: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the outcome of one phase of a test."""
        name = report.nodeid.rpartition("::")[2]
        if report.failed:
            self.failed[name] = report.longreprtext
        elif report.skipped:
            self.skipped[name] = skip_reason(report)
        elif report.when == "call" and report.passed:
            self.passed.add(name)


def run_here(url: str, *options: str, module: str = "") -> Listener:
    """Run the suite in this process, which is faster than a new one, and return its outcome."""
    listener = Listener()
    suite, *others = running.arguments(url)
    # These two plugins collect all garbage several times per run, including the heap of the outer pytest.
    quiet = ["-p", "no:unraisableexception", "-p", "no:threadexception", "--capture=no", "--tb=short"]
    pytest.main([str(Path(suite) / module), *others, *quiet, f"--patience={PATIENCE_S}", *options], plugins=[listener])
    return listener


def matches(test: str, expected: str) -> bool:
    """Return whether a test is the expected one or one of its cases."""
    return test == expected or test.partition("[")[0] == expected


def test_every_test_of_the_suite_is_failed_by_a_faulty_server() -> None:
    modules = (Path(running.__file__).parent / "suite").rglob("test_*.py")
    tests = {name for file in modules for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    assert tests == {name.partition("[")[0] for fault in FAULTS for name in fault.caught_by}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.server.__name__)
def test_faulty_server_is_caught(fault: Fault) -> None:
    with serving(fault.server) as url:
        declared = [f"--keep-alive={'yes' if fault.keep_alive else 'no'}", "--overlap=yes"]
        outcome = run_here(url, *declared, "-k", fault.among, module=fault.module)
    missed = {name for name in fault.caught_by if not any(matches(test, name) for test in outcome.failed)}
    assert not missed, f"not caught by {missed}; failed: {sorted(outcome.failed)}; passed: {sorted(outcome.passed)}"
    unrelated = {test for test in outcome.failed if not any(matches(test, name) for name in fault.caught_by)}
    assert not unrelated, {test: outcome.failed[test][-600:] for test in unrelated}


@pytest.mark.parametrize(("server", "keep_alive"), [(Good, True), (Closing, False)])
def test_correct_server_passes(server: type[Good], keep_alive: bool) -> None:  # noqa: FBT001
    with serving(server) as url:
        outcome = running.run_suite(url, keep_alive=keep_alive, overlap=True)
    assert outcome.failed == {}
    assert outcome.passed
    assert outcome.observed == {"keep-alive": "yes" if keep_alive else "no", "overlap": "yes"}
    assert outcome.divergences["OPTIONS /hello"] == "405 GET, HEAD"


def test_correct_service_passes_its_own_suite_and_no_other_is_run() -> None:
    with serving(GoodService) as url:
        outcome = running.run_suite(url, keep_alive=None, overlap=None, app=App.SERVICE)
    assert outcome.failed == {}
    assert {name.partition("::")[0] for name in outcome.passed} == {
        file.name for file in (Path(running.__file__).parent / "suite" / "service").glob("test_*.py")
    }
    assert outcome.divergences["quantity 2.0"] == "400"
    assert outcome.divergences["not JSON"].startswith("application/json: {")


def test_correct_orders_pass_both_parts_of_the_contract() -> None:
    with serving(GoodOrders) as url:
        outcome = running.run_suite(url, keep_alive=None, overlap=None, app=App.ORDERS)
    assert outcome.failed == {}
    assert {name.partition("::")[0] for name in outcome.passed} == {
        file.name
        for folder in ("service", "orders")
        for file in (Path(running.__file__).parent / "suite" / folder).glob("test_*.py")
    }


@pytest.mark.parametrize(
    ("server", "keep_alive", "overlap"),
    [(Good, "yes", "yes"), (Closing, "no", "yes"), (faulty_sleep.BlocksEverybody, "yes", "no")],
)
def test_undeclared_behaviour_is_observed_and_not_judged(server: type[Good], keep_alive: str, overlap: str) -> None:
    with serving(server) as url:
        outcome = running.run_suite(
            url, keep_alive=None, overlap=None, select="declared or overlap or longest or pipelined"
        )
    assert outcome.failed == {}
    assert outcome.observed == {"keep-alive": keep_alive, "overlap": overlap}
    not_judged = {
        "test_wire.py::test_connection_is_kept_or_closed_as_declared": "KEEP_ALIVE=auto",
        "test_overlap.py::test_concurrent_sleeps_overlap": "OVERLAP=auto",
        "test_overlap.py::test_hello_is_answered_during_a_sleep": "OVERLAP=auto",
    }
    assert not_judged.items() <= outcome.not_judged.items()
    others = {name.partition("::")[2] for name in outcome.not_judged.keys() - not_judged.keys()}
    closed = {"test_pipelined_requests_are_answered_in_order"} if keep_alive == "no" else set()
    blocking = {"test_longest_delay_is_accepted"} if overlap == "no" else set()
    assert others == closed | blocking


@pytest.mark.parametrize("declaration", ["yes", "no", "auto"])
def test_longest_delay_is_tried_wherever_sleeps_are_seen_to_overlap(declaration: str) -> None:
    with serving(faulty_sleep.RefusesTheLongest) as url:
        outcome = run_here(url, f"--overlap={declaration}", "-k", "longest", module="test_sleep.py")
    assert outcome.failed.keys() == {"test_longest_delay_is_accepted"}


@pytest.mark.parametrize("declaration", ["no", "auto"])
def test_longest_delay_is_not_tried_where_sleeps_block(declaration: str) -> None:
    with serving(faulty_sleep.BlocksEverybody) as url:
        patience = f"--patience={2 * PATIENCE_S}"  # the eighth sleeper is answered only after ``PATIENCE_S``
        outcome = run_here(url, f"--overlap={declaration}", patience, "-k", "longest", module="test_sleep.py")
    assert outcome.skipped.keys() == {"test_longest_delay_is_accepted"}
