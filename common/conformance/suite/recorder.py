"""A pytest plugin that writes the outcome of a run as JSON, for the program that started it."""

import json
import re
import time
from pathlib import Path

import pytest

from common.conformance.divergences import probe
from common.conformance.endpoint import Endpoint

SCHEMA = 1
_EXCEPTION_NAME = re.compile(r"^(?:[A-Za-z_][\w.]*(?:Error|Exception|Failure|Group)): ")


class Recorder:
    """A pytest plugin that collects outcomes and writes them to ``file`` at the end of the session."""

    def __init__(self, *, target: Endpoint, file: Path) -> None:
        self._target = target
        self._file = file
        self._started_s = time.perf_counter()
        self._passed: list[str] = []
        self._failed: dict[str, str] = {}
        self._not_judged: dict[str, str] = {}
        self._observed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the outcome of one phase of a test, and what it observed."""
        self._observed.update((name, str(value)) for name, value in report.user_properties)
        if report.failed:
            self._failed.setdefault(short_name(report.nodeid), reason(report))
        elif report.skipped:
            self._not_judged[short_name(report.nodeid)] = skip_reason(report)
        elif report.when == "call" and report.passed:
            self._passed.append(short_name(report.nodeid))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a module of the suite that failed to import."""
        if report.failed:
            self._failed[short_name(report.nodeid)] = reason(report)

    def pytest_sessionfinish(self) -> None:
        """Probe the stack for divergences and write the report."""
        duration_s = time.perf_counter() - self._started_s
        document = {
            "schema": SCHEMA,
            "passed": [name for name in self._passed if name not in self._failed],
            "failed": list(self._failed.items()),
            "not_judged": self._not_judged,
            "observed": self._observed,
            "divergences": probe(self._target.url),
            "duration_s": duration_s,
        }
        self._file.write_text(json.dumps(document, indent=2))


def short_name(nodeid: str) -> str:
    """Return a node id without folders, such as ``test_sleep.py::test_x[5]``."""
    path, *rest = nodeid.split("::")
    return "::".join([Path(path).name, *rest])


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return the first line of the failure's message, without the exception's name."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr) if crash is None else str(crash.message)
    lines = [line for line in text.splitlines() if line.strip()]
    return _EXCEPTION_NAME.sub("", lines[0]) if lines else "no reason given"


def skip_reason(report: pytest.TestReport) -> str:
    """Return the reason given to ``pytest.skip``."""
    assert isinstance(report.longrepr, tuple)
    return report.longrepr[2].removeprefix("Skipped: ")
