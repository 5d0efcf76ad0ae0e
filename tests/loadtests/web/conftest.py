"""A web UI for each test module that needs one."""

from collections.abc import Iterator

import pytest

from tests.support.web import Web, web_ui


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    """A web UI as ``locust -f loadtests/locustfile.py`` gives it."""
    with web_ui() as started:
        yield started
