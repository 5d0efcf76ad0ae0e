"""Command-line options, fixtures and the time limit of the suite, and the report of a run as JSON.

To run it by hand: ``python -m pytest common/conformance/suite --url=http://127.0.0.1:8000 --keep-alive=yes``; for the
contract ``service``, ``common/conformance/suite/service``.
"""

import functools
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import httpx
import msgspec
import pytest
import requests

from common.catalog.frameworks import App
from common.conformance.divergences import probe
from common.conformance.overlap import Overlap, measure_overlap
from common.conformance.running import DECLARATIONS, SuiteOutcome
from common.conformance.wire import Endpoint, Wire
from common.errors import UsageError
from common.records.run import Behaviour, YesOrNo

_EXCEPTION_NAME = re.compile(r"^(?:[A-Za-z_][\w.]*(?:Error|Exception|Failure|Group)): ")
TEST_LIMIT_S = 10.0
"""The longest that a test may take."""
_TARGET = pytest.StashKey[Endpoint]()

collect_ignore = ["extras", "orders", "service"]  # another contract, whose folders have to be named


class Recorder:
    """A pytest plugin that collects outcomes and writes them to ``file`` at the end of the session."""

    def __init__(self, *, target: Endpoint, file: Path, app: App) -> None:
        self._target = target
        self._app = app
        self._file = file
        self._started_s = time.perf_counter()
        self._passed: list[str] = []
        self._failed: dict[str, str] = {}
        self._not_judged: dict[str, str] = {}
        self._observed: dict[Behaviour, YesOrNo] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the outcome of one phase of a test, and what it observed."""
        self._observed.update((Behaviour(name), YesOrNo(str(value))) for name, value in report.user_properties)
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
        outcome = SuiteOutcome(
            duration_s=time.perf_counter() - self._started_s,
            passed=[name for name in self._passed if name not in self._failed],
            failed=self._failed,
            not_judged=self._not_judged,
            observed=self._observed,
            divergences=probe(self._target.url, self._app),
        )
        self._file.write_bytes(msgspec.json.encode(outcome))


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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that name the stack under test and declare its behaviour."""
    group = parser.getgroup("conformance", "the stack under test")
    group.addoption("--url", metavar="URL", default="", help="address of the stack, such as http://127.0.0.1:8000")
    for name, meaning in (
        ("--keep-alive", "a connection serves more than one request"),
        ("--overlap", "a sleep never blocks another request"),
    ):
        text = f"whether {meaning}; auto (the default): observed, not judged"
        group.addoption(name, choices=list(DECLARATIONS), default="auto", help=text)
    group.addoption("--app", type=App, default=App.APP, help="the app whose contract's divergences are reported")
    group.addoption("--patience", type=float, default=5.0, metavar="SECONDS", help="longest wait for a response")
    group.addoption("--report", type=Path, metavar="FILE", help="write the outcome to this file, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Check that the stack can be reached, and register the recorder if there is a report to write."""
    config.addinivalue_line("markers", "last: leaves the stack busy, so it runs after all other tests")
    try:
        target = Endpoint.parse(config.getoption("--url"))
        target.reach()
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[_TARGET] = target
    if (file := config.getoption("--report")) is not None:
        config.pluginmanager.register(Recorder(target=target, file=file, app=config.getoption("--app")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the tests marked ``last`` to the end."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(autouse=True)
def _limit() -> Iterator[None]:
    """Fail a test that exceeds the time limit; the signal interrupts blocking calls in any library."""

    def fail(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"the test did not finish within {TEST_LIMIT_S:g} s", pytrace=False)

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, TEST_LIMIT_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config) -> Endpoint:
    """The address of the stack under test."""
    return pytestconfig.stash[_TARGET]


@pytest.fixture(scope="session")
def patience_s(pytestconfig: pytest.Config) -> float:
    """The longest wait for a response, in seconds."""
    return float(pytestconfig.getoption("--patience"))


@pytest.fixture(scope="session")
def keep_alive(pytestconfig: pytest.Config) -> bool | None:
    """Whether the stack declares that it keeps connections open; ``None`` if it declares nothing."""
    return DECLARATIONS[pytestconfig.getoption("--keep-alive")]


@pytest.fixture(scope="session")
def overlap(pytestconfig: pytest.Config) -> bool | None:
    """Whether the stack declares that a sleep blocks no other request; ``None`` if it declares nothing."""
    return DECLARATIONS[pytestconfig.getoption("--overlap")]


@pytest.fixture(scope="session")
def measured_overlap(target: Endpoint, overlap: bool | None, patience_s: float) -> Callable[[], Overlap]:  # noqa: FBT001
    """A function that measures whether concurrent sleeps overlap, once per session.

    The measurement is not the fixture's own value, because the time limit of a test does not cover session fixtures.
    """
    return functools.cache(functools.partial(measure_overlap, target, declared=overlap, patience_s=patience_s))


@pytest.fixture(scope="session")
def client(target: Endpoint, patience_s: float) -> Iterator[httpx.Client]:
    """An ordinary HTTP client. It opens a new connection for each request, so that tests do not affect each other."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=target.url, timeout=patience_s, limits=limits, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """A session that closes each connection, so that no worker waits for a second request on it."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Connection"] = "close"
        yield session


@pytest.fixture
def connect(target: Endpoint, patience_s: float) -> Iterator[Callable[[], Wire]]:
    """A function that opens a connection; all of them are closed at the end of the test."""
    opened: list[Wire] = []

    def open_one() -> Wire:
        opened.append(Wire(target, patience_s=patience_s))
        return opened[-1]

    yield open_one
    for wire in opened:
        wire.close()


@pytest.fixture
def observe(record_property: Callable[[str, object], None]) -> Callable[[str, bool], None]:
    """A function that records an observed behaviour for the report."""

    def note(name: str, value: bool) -> None:  # noqa: FBT001 -- the observation itself
        record_property(name, "yes" if value else "no")

    return note
