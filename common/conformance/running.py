"""Running the conformance suite, which is a pytest suite, from a program, and reading its outcome."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from common.catalog.frameworks import App
from common.conformance.wire import Endpoint
from common.errors import FailedError, UsageError
from common.host.folders import temporary_folder
from common.project import ROOT
from common.records.run import Behaviour, YesOrNo

LIMIT_S = 300.0
"""The time limit of a run, beyond what ``MAX_FAILURES`` tests take if each hangs until its own time limit."""

MAX_FAILURES = 20
"""The number of failures after which a run stops, so that a stack that never answers does not hang every test."""

DECLARATIONS: Mapping[str, bool | None] = {"yes": True, "no": False, "auto": None}
"""A stack's declaration of a behaviour: that it has it, that it does not, or nothing (observed, not judged)."""

_FOLDERS: Mapping[App, tuple[str, ...]] = {
    App.APP: (".",),
    App.SERVICE: ("service",),
    App.ORDERS: ("service", "orders"),
    App.EXTRAS: ("extras",),
}
"""The folders of the suite that judge each app."""
_USAGE_ERROR = 4
"""``pytest.ExitCode.USAGE_ERROR``, without the tenth of a second that importing pytest takes."""


class SuiteOutcome(Struct, frozen=True, kw_only=True):
    """The outcome of one run of the suite, as ``--report`` writes it in JSON."""

    passed: list[str]
    failed: dict[str, str]
    """The tests that failed, each with the reason in one line."""
    not_judged: dict[str, str] = {}
    """The tests that were skipped, each with the reason."""
    observed: dict[Behaviour, YesOrNo]
    """The observed behaviour of the stack."""
    divergences: dict[str, str]
    """The behaviour of the stack where the contract leaves it free, by request or property."""
    duration_s: float


def run_suite(
    url: str,
    *,
    keep_alive: bool | None,
    overlap: bool | None,
    prefix: tuple[str, ...] = (),
    select: str | None = None,
    app: App = App.APP,
) -> SuiteOutcome:
    """Run the suite of the contract that ``app`` keeps against ``url``, and return its outcome.

    That of ``App.ORDERS`` has to have a database with the contract's rows.

    ``keep_alive`` and ``overlap`` declare how the stack behaves; ``None`` observes the behaviour without judging it.
    ``prefix`` is a command in front of pytest's, such as ``nsenter -t PID -n``, for a URL that is reachable only from
    there. ``select`` narrows the tests like pytest's ``-k``. Raises ``UsageError`` if the URL is malformed or cannot be
    reached, and ``FailedError`` if the suite itself fails to run.
    """
    target = Endpoint.parse(url)
    if not prefix:
        target.reach()
    with temporary_folder("conformance") as folder:
        report = folder / "report.json"
        declared = [f"--keep-alive={word(keep_alive)}", f"--overlap={word(overlap)}", f"--report={report}"]
        selected = [] if select is None else ["-k", select]
        command = [
            *prefix,
            sys.executable,
            "-m",
            "pytest",
            *arguments(target.url, app),
            f"--maxfail={MAX_FAILURES}",
            *declared,
            *selected,
        ]
        return _outcome(_run(command), report)


def arguments(url: str, app: App = App.APP) -> list[str]:
    """Return pytest's arguments to run one contract's suite and nothing else, without caching results."""
    suite = Path(__file__).resolve().parent / "suite"
    options = [f"--rootdir={ROOT}", f"--config-file={suite / 'pytest.ini'}", "-p", "no:cacheprovider",
               "-p", "schemathesis", "-q", f"--url={url}", f"--app={app}"]  # fmt: skip
    return [*(str(suite / folder) for folder in _FOLDERS[app]), *options]


def word(declared: bool | None) -> str:  # noqa: FBT001 -- the value is the only argument
    """Return the word for a declaration: ``yes``, ``no`` or ``auto``."""
    return next(word for word, value in DECLARATIONS.items() if value is declared)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    # Neither the user's own options for pytest nor plugins that happen to be installed may change the outcome.
    env = {name: value for name, value in os.environ.items() if name not in {"PYTEST_ADDOPTS", "PYTEST_PLUGINS"}}
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise FailedError(f"the conformance suite did not finish within {LIMIT_S:g} s.") from error


def _outcome(process: subprocess.CompletedProcess[str], report: Path) -> SuiteOutcome:
    lines = (process.stderr.strip() or process.stdout.strip()).splitlines()
    if process.returncode == _USAGE_ERROR:  # the suite refuses a URL that cannot be reached in this way
        raise UsageError(lines[0].removeprefix("ERROR: ") if lines else "pytest refused its command line.")
    if not report.exists():
        raise FailedError(
            f"the conformance suite exited with status {process.returncode}: {lines[-1] if lines else 'no output'}"
        )
    return msgspec.json.decode(report.read_bytes(), type=SuiteOutcome)
