"""The pytest suite that holds a running stack to the contract, and how to run it from a program."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from common.conformance.endpoint import Endpoint
from common.errors import FailedError, UsageError
from common.project import ROOT

LIMIT_S = 300.0
"""The longest a run may take: more than ``MAX_FAILURES`` tests that hang until each one's own limit."""

MAX_FAILURES = 20
"""A run ends after so many: nobody waits for each of the tests to hang on a stack that answers nothing."""


class Failure(NamedTuple):
    """A test that failed, and why in one line."""

    test: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteOutcome:
    """What one run of the suite found out about a stack."""

    passed: tuple[str, ...]
    failed: tuple[Failure, ...]
    observed: Mapping[str, str]
    """``keep-alive`` and ``overlap`` as they were seen, yes or no; where declared, they were judged as well."""
    divergences: Mapping[str, str]
    """What the stack does where the contract leaves it free, by request or property."""
    duration_s: float

    @property
    def conforms(self) -> bool:
        """Whether the stack keeps the contract."""
        return bool(self.passed) and not self.failed

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "SuiteOutcome":
        """The outcome that a file written by ``--report`` holds."""
        return cls(
            passed=tuple(document["passed"]),
            failed=tuple(Failure(test, reason) for test, reason in document["failed"]),
            observed=document["observed"],
            divergences=document["divergences"],
            duration_s=document["duration_s"],
        )


def run_suite(
    url: str,
    *,
    keep_alive: bool | None,
    overlap: bool | None,
    prefix: tuple[str, ...] = (),
    select: str | None = None,
) -> SuiteOutcome:
    """What the suite finds at ``url``, seen from where ``prefix`` (such as ``nsenter -t PID -n``) puts a client.

    ``None`` for a behaviour that nobody declares: it is observed and not judged. ``select`` narrows the tests, as
    pytest's ``-k``. ``UsageError`` where the URL is malformed or nothing answers there, ``FailedError`` where the suite
    itself could not run.
    """
    target = Endpoint.parse(url)
    if not prefix:
        target.reach()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        report = Path(folder) / "report.json"
        declared = [f"--keep-alive={_word(keep_alive)}", f"--overlap={_word(overlap)}", f"--report={report}"]
        selected = [] if select is None else ["-k", select]
        line = [
            *prefix,
            sys.executable,
            "-m",
            "pytest",
            *arguments(target.url),
            f"--maxfail={MAX_FAILURES}",
            *declared,
            *selected,
        ]
        return _outcome(_finish(line), report)


def arguments(url: str) -> list[str]:
    """What pytest is told so that it runs this suite and nothing else, and caches no results."""
    suite = Path(__file__).resolve().parent / "suite"
    return [str(suite), f"--rootdir={ROOT}", f"--config-file={ROOT / 'pyproject.toml'}", "-p", "no:cacheprovider",
            "-q", f"--url={url}"]  # fmt: skip


def _word(declared: bool | None) -> str:  # noqa: FBT001 -- the declaration is what is said
    return {True: "yes", False: "no", None: "unknown"}[declared]


def _finish(line: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise FailedError(f"the conformance suite did not end within {LIMIT_S:g} s.") from error


def _outcome(ended: subprocess.CompletedProcess[str], report: Path) -> SuiteOutcome:
    text = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
    if ended.returncode == pytest.ExitCode.USAGE_ERROR:
        raise UsageError(text[0].removeprefix("ERROR: ") if text else "pytest refused its command line.")
    if not report.exists():
        raise FailedError(f"the conformance suite ended with status {ended.returncode}: {text[-1] if text else ''}")
    return SuiteOutcome.read(json.loads(report.read_text()))
