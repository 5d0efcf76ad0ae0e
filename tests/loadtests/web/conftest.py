"""A web UI for each test module that needs one."""

from collections.abc import Iterator

import pytest
from selenium import webdriver

from tests.support.browsers import browser
from tests.support.web import Web, web_ui


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    """A web UI as ``locust -f loadtests/locustfile.py`` gives it."""
    with web_ui() as started:
        yield started


@pytest.fixture(scope="module")
def chrome() -> Iterator[webdriver.Chrome]:
    """A browser."""
    with browser() as driver:
        yield driver
