"""The outcome of one run of the suite, written as JSON for whoever started it."""

import json
import re
import time
from pathlib import Path

import pytest

from common.conformance.divergences import probe
from common.conformance.endpoint import Endpoint

SCHEMA = 1
_KIND = re.compile(r"^(?:[A-Za-z_][\w.]*(?:Error|Exception|Failure|Group)): ")


class Recorder:
    """A pytest plugin that listens and writes ``file`` at the end."""

    def __init__(self, *, target: Endpoint, file: Path) -> None:
        self._target = target
        self._file = file
        self._started_s = time.perf_counter()
        self._passed: list[str] = []
        self._failed: dict[str, str] = {}
        self._observed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how one phase of one test ended."""
        self._observed.update((name, str(value)) for name, value in report.user_properties)
        if report.failed:
            self._failed.setdefault(short_name(report.nodeid), reason(report))
        elif report.when == "call" and report.passed:
            self._passed.append(short_name(report.nodeid))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module of the suite that could not even be read."""
        if report.failed:
            self._failed[short_name(report.nodeid)] = reason(report)

    def pytest_sessionfinish(self) -> None:
        """Look at what the contract leaves open, and write everything down."""
        duration_s = time.perf_counter() - self._started_s
        document = {
            "schema": SCHEMA,
            "passed": [name for name in self._passed if name not in self._failed],
            "failed": list(self._failed.items()),
            "observed": self._observed,
            "divergences": probe(self._target.url),
            "duration_s": duration_s,
        }
        self._file.write_text(json.dumps(document, indent=2))


def short_name(nodeid: str) -> str:
    """``test_sleep.py::test_x[5]`` for a node id with any folders before it."""
    path, *rest = nodeid.split("::")
    return "::".join([Path(path).name, *rest])


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The first line of what went wrong, without the name of the exception."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr) if crash is None else str(crash.message)
    lines = [line for line in text.splitlines() if line.strip()]
    return _KIND.sub("", lines[0]) if lines else "no reason given"
