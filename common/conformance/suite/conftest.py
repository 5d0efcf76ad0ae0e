"""Options, fixtures and the time limit of the suite.

``python -m pytest common/conformance --url http://127.0.0.1:8000 --keep-alive=yes --overlap=yes``
"""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import httpx
import pytest

from common.conformance.endpoint import Endpoint
from common.conformance.suite.recorder import Recorder
from common.conformance.wire import Wire
from common.errors import UsageError

TEST_LIMIT_S = 10.0
_DECLARED = {"yes": True, "no": False, "unknown": None}
_TARGET = pytest.StashKey[Endpoint]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say which stack is tested and what it declares of itself."""
    group = parser.getgroup("conformance", "the stack that is held to the contract")
    group.addoption("--url", metavar="URL", default="", help="where the stack answers, such as http://127.0.0.1:8000")
    for name, meaning in (
        ("--keep-alive", "a connection serves more than one request"),
        ("--overlap", "a sleep never blocks another request"),
    ):
        text = f"whether {meaning}; unknown (default): observed, not judged"
        group.addoption(name, choices=list(_DECLARED), default="unknown", help=text)
    group.addoption("--patience", type=float, default=5.0, metavar="SECONDS", help="the longest wait for an answer")
    group.addoption("--report", type=Path, metavar="FILE", help="write the outcome there, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to start without a stack that can be reached."""
    config.addinivalue_line("markers", "last: leaves the stack busy, so nothing may come after it")
    try:
        target = Endpoint.parse(config.getoption("--url"))
        target.reach()
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[_TARGET] = target
    if (file := config.getoption("--report")) is not None:
        config.pluginmanager.register(Recorder(target=target, file=file))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run last what is marked so."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(autouse=True)
def _limit() -> Iterator[None]:
    """End a test that hangs, whatever it hangs in."""

    def fail(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"the test did not end within {TEST_LIMIT_S:g} s", pytrace=False)

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, TEST_LIMIT_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config) -> Endpoint:
    """The stack under test."""
    return pytestconfig.stash[_TARGET]


@pytest.fixture(scope="session")
def patience_s(pytestconfig: pytest.Config) -> float:
    """The longest wait for an answer."""
    return float(pytestconfig.getoption("--patience"))


@pytest.fixture(scope="session")
def keep_alive(pytestconfig: pytest.Config) -> bool | None:
    """Whether the stack declares that it keeps connections."""
    return _DECLARED[pytestconfig.getoption("--keep-alive")]


@pytest.fixture(scope="session")
def overlap(pytestconfig: pytest.Config) -> bool | None:
    """Whether the stack declares that a sleep blocks nobody."""
    return _DECLARED[pytestconfig.getoption("--overlap")]


@pytest.fixture(scope="session")
def client(target: Endpoint, patience_s: float) -> Iterator[httpx.Client]:
    """A client of the ordinary kind. It opens a connection per request, so that no test sees another's leftovers."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=target.url, timeout=patience_s, limits=limits, trust_env=False) as client:
        yield client


@pytest.fixture
def connect(target: Endpoint, patience_s: float) -> Iterator[Callable[[], Wire]]:
    """Opens a connection; all are closed as soon as the test ends."""
    opened: list[Wire] = []

    def open_one() -> Wire:
        opened.append(Wire(target, patience_s=patience_s))
        return opened[-1]

    yield open_one
    for wire in opened:
        wire.close()


@pytest.fixture
def observe(record_property: Callable[[str, object], None]) -> Callable[[str, bool], None]:
    """Notes how the stack behaves, for a report that shows it beside what was declared."""

    def note(name: str, value: bool) -> None:  # noqa: FBT001 -- the value is what is noted
        record_property(name, "yes" if value else "no")

    return note
