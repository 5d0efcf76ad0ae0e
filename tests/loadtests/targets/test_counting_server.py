"""The counting server counts every request but those for the count."""

import os
import shutil
import urllib.request

import pytest

from common.host.readiness import responds
from loadtests.targets import counting_server
from loadtests.targets.counting_server import CLOSING, server_name

CORES = sorted(os.sched_getaffinity(0))


@pytest.mark.parametrize("nginx", [pytest.param(True, marks=pytest.mark.slow), False])
def test_the_server_counts_all_requests_but_those_for_the_count(nginx: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    if not nginx:
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    elif shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("nginx is not here (Debian: apt-get install nginx-core)")
    with counting_server.counting_server(CORES[:1]) as server:
        first = server.answered()
        for path in ("/hello", "/hello", f"{CLOSING}/hello"):
            with urllib.request.urlopen(server.url + path) as answer:  # noqa: S310 -- our own server
                assert answer.read() == b'"hello world"'
                assert answer.headers["Connection"] == "close" or not path.startswith(CLOSING)
        assert server.answered() - first == 3
        assert server.answered() - first == 3
    assert server_name() == ("nginx" if nginx else "a Python server")
    assert not responds(server.url)
