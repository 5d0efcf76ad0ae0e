"""The suite passes a correct server and catches each faulty one, by the test that its fault names and by no other."""

import re
from pathlib import Path

import pytest

from common.conformance import running
from tests.common.conformance import faulty_delays, faulty_hello, faulty_routes, faulty_sleep, faulty_wire
from tests.common.conformance.faults import FAULTS, Fault
from tests.common.conformance.good_server import Closing, Good, serving

__all__ = ["faulty_delays", "faulty_hello", "faulty_routes", "faulty_sleep", "faulty_wire"]
PATIENCE_S = 1.2


class Listener:
    """Collects the names of tests, by how they ended."""

    def __init__(self) -> None:
        self.passed: set[str] = set()
        self.failed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how one phase of one test ended."""
        name = report.nodeid.rpartition("::")[2]
        if report.failed:
            self.failed[name] = report.longreprtext
        elif report.when == "call" and report.passed:
            self.passed.add(name)


def run_here(url: str, *options: str, module: str = "") -> Listener:
    """What the suite finds, run within this process, which saves its start."""
    listener = Listener()
    suite, *others = running.arguments(url)
    # Each run of these two collects all garbage several times, with the outer run's heap as well.
    quiet = [
        "-p",
        "no:unraisableexception",
        "-p",
        "no:threadexception",
        "--capture=no",
        "--tb=short",
        f"--patience={PATIENCE_S}",
    ]
    pytest.main([str(Path(suite) / module), *others, *quiet, *options], plugins=[listener])
    return listener


def matches(test: str, expected: str) -> bool:
    """Whether a test is the one expected, or one of its cases."""
    return test == expected or test.partition("[")[0] == expected


def test_every_test_of_the_suite_is_seen_to_fail() -> None:
    modules = (Path(running.__file__).parent / "suite").glob("test_*.py")
    tests = {name for file in modules for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    assert tests == {name.partition("[")[0] for fault in FAULTS for name in fault.caught_by}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.server.__name__)
def test_faulty_server_is_caught(fault: Fault) -> None:
    with serving(fault.server) as url:
        declared = [f"--keep-alive={'yes' if fault.keep_alive else 'no'}", "--overlap=yes"]
        found = run_here(url, *declared, "-k", fault.among, module=fault.module)
    missed = {name for name in fault.caught_by if not any(matches(test, name) for test in found.failed)}
    assert not missed, f"not caught by {missed}; failed: {sorted(found.failed)}; passed: {sorted(found.passed)}"
    unrelated = {test for test in found.failed if not any(matches(test, name) for name in fault.caught_by)}
    assert not unrelated, {test: found.failed[test][-600:] for test in unrelated}


@pytest.mark.parametrize(("server", "keep_alive"), [(Good, True), (Closing, False)])
def test_correct_server_passes(server: type[Good], keep_alive: bool) -> None:  # noqa: FBT001
    with serving(server) as url:
        outcome = running.run_suite(url, keep_alive=keep_alive, overlap=True)
    assert outcome.failed == ()
    assert outcome.conforms
    assert outcome.observed == {"keep-alive": "yes" if keep_alive else "no", "overlap": "yes"}
    assert outcome.divergences["OPTIONS /hello"] == "405 GET, HEAD"


@pytest.mark.parametrize("server", [Good, Closing, faulty_sleep.BlocksEverybody])
def test_what_nobody_declares_is_not_judged(server: type[Good]) -> None:
    with serving(server) as url:
        found = run_here(url, "-k", "declared or overlap or longest or pipelined")
    assert not found.failed
    assert {"test_connection_is_kept_or_closed_as_declared", "test_sleeps_at_once_overlap"} <= found.passed
