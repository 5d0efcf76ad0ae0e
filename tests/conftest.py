"""Fixtures that more than one test module uses."""

import gc
import math
import os
import secrets
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import pytest

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each worker and each command in a test compiles all modules anew
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads of numpy's that wait take turns with the tests of other workers
os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"  # importing Locust would replace the sockets of every test

import hypothesis  # noqa: F401 -- its plugin for pytest would import it later, and warn of what is frozen by then
import locust  # noqa: F401 -- before any test imports it
from docker import DockerClient

from common.cli.app import GIVEN
from common.console import callers_words
from common.engine.builds import FRAMEWORK
from common.engine.client import build_client
from common.engine.client import engine as find_engine
from common.errors import UsageError
from common.host import run_lock
from common.project import ROOT

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]  # Locust started by tests needs the replacement
sys.dont_write_bytecode = False
gc.disable()  # until all tests are collected: nearly everything that is made by then stays

BY_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL")
"""Variables of ``make test ALL=1`` that a make in a test would take for its own."""
TESTS_OF_COMMON = ROOT / "tests" / "common"

pytest_plugins = ["tests.support.aws_fixtures"]


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Count every test that needs a Docker engine among the slow ones; nothing in ``common`` measures under load."""
    for item in items:
        if "engine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
            if item.path.is_relative_to(TESTS_OF_COMMON):
                item.add_marker(pytest.mark.parallel)
    yield  # pytest takes away what was not asked for
    items[:] = _longest_first(items)


def pytest_collection_finish() -> None:
    """Exclude what exists before the first test from garbage collections, which would scan all of it each time."""
    gc.freeze()
    gc.enable()


def _longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Let each of xdist's workers begin with some of the longest tests, so that none of them is left for the end.

    A worker is given its share of the tests in this order, one worker after the other.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    longest = [item for item in items if item.get_closest_marker("long") is not None]
    others = [item for item in items if item not in longest]
    ordered, share = list[pytest.Item](), math.ceil(len(items) / workers)
    for number in range(workers):
        own = longest[number::workers]
        taken = max(0, share - len(own))
        ordered += own + others[:taken]
        others = others[taken:]
    return ordered


def absent(reason: str) -> NoReturn:
    """Skip a test that needs Docker, for this reason; fail it where ``REQUIRE_DOCKER=1``."""
    if os.environ.get("REQUIRE_DOCKER") == "1":
        pytest.fail(f"REQUIRE_DOCKER=1, and {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the commands that tests run a run lock of their own, and hide from them how the tests were started."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup ignores, and children inherit that
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # which a shell ignores in what it runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # likewise
    with pytest.MonkeyPatch.context() as patch:
        for name in (GIVEN, *BY_MAKE):
            patch.delenv(name, raising=False)
        patch.setenv(run_lock.VARIABLE, str(tmp_path_factory.mktemp("lock") / "run.lock"))
        yield


@pytest.fixture(autouse=True)
def _own_words() -> Iterator[None]:
    """Forget whose words a command line that a test ran has chosen for messages."""
    token = callers_words.set(str)
    yield
    callers_words.reset(token)


@pytest.fixture
def untraced() -> Iterator[None]:
    """Turn off the tracing that measures coverage, which slows down tests that run the same lines over and over."""
    tracing = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracing)


@pytest.fixture(scope="session")
def engine() -> DockerClient:
    """A Docker engine that can build; skips where there is none, fails instead where ``REQUIRE_DOCKER=1``."""
    try:
        build_client()
        return find_engine()
    except UsageError as error:
        absent(str(error))


@pytest.fixture(scope="module")
def toy_name(engine: DockerClient) -> Iterator[str]:
    """A framework's name that no other run uses; its images are removed in the end."""
    name = f"toy_{secrets.token_hex(4)}"
    yield name
    remove_images(engine, name)


def remove_images(engine: DockerClient, framework: str) -> None:
    """Remove what was built of a framework, and of those whose names begin with its own."""
    for image in labelled_images(engine):
        if image["Labels"][FRAMEWORK].startswith(framework):
            engine.images.remove(image["Id"], force=True)


def labelled_images(engine: DockerClient) -> list[dict[str, Any]]:
    """Return all images that were built for frameworks, as the engine's API lists them.

    ``engine.images.list()`` would inspect each image, and fail for one that another test has removed in the meantime.
    """
    images: list[dict[str, Any]] = engine.api.images(filters={"label": FRAMEWORK})
    return images
