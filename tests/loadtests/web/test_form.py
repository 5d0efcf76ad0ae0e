"""Locust's web UI refuses what cannot work before it starts, and a climb that is stopped stays stopped."""

import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from common.host.ports import free_port
from common.project import ROOT
from tests.support.servers import KEEP, Client, serving
from tests.support.waiting import wait_until


def _after_5_ms(client: Client, _: int) -> bool:
    time.sleep(0.005)
    return client.send(KEEP)


@pytest.fixture(scope="module")
def web() -> Iterator[httpx.Client]:
    """The UI of a Locust that has a server to load."""
    port = free_port()
    with serving(_after_5_ms) as server:
        options = (f"--host=http://127.0.0.1:{server.address[1]}", "--web-host=127.0.0.1", f"--web-port={port}")
        line = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--class-picker", *options]
        with (
            subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as locust,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
        ):
            try:
                wait_until(lambda: _answers(client), deadline_s=30)
                yield client
            finally:
                locust.terminate()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").is_success
    except httpx.TransportError:
        return False


def _start(web: httpx.Client, *classes: str, **fields: object) -> str:
    """What the form says when it is sent."""
    form = {"user_count": 2, "spawn_rate": 2, "user_classes": list(classes), **fields}
    return str(web.post("/swarm", data=form).json()["message"])


@pytest.mark.parametrize(
    ("classes", "fields", "told"),
    [
        ((), {}, "Ramp sets the load itself and runs alone."),
        (("Hello", "Sleepers"), {}, "Sleepers sets the load itself and runs alone."),
        (("Rate",), {"rate": "-5"}, "rate: invalid value -5: must be a number from 0.001 to"),
        (("Ramp",), {"objective": "fast"}, "a percentile and a limit, such as p99<50ms"),
        (("Sleep",), {"delay_ms": "soon"}, "delay_ms: invalid value soon: must be"),
        (("Hello",), {"host": "https://127.0.0.1"}, "for https, use a FastUser."),
    ],
)
def test_an_invalid_form_is_refused_and_starts_nothing(
    web: httpx.Client, classes: tuple[str, ...], fields: dict[str, str], told: str
) -> None:
    assert told in _start(web, *classes, **fields)
    assert web.get("/stats/requests").json()["user_count"] == 0


@pytest.mark.slow
def test_a_climb_that_is_stopped_takes_no_further_step(web: httpx.Client) -> None:
    """Its next step would start users again. The form's rate is the one it climbs from."""
    assert _start(web, "Ramp", rate="50") == "Swarming started"
    wait_until(lambda: _logged(web, "50: "), deadline_s=30)
    web.post("/stop")
    steps = _steps(web)
    assert _start(web, "Rate", rate="20") == "Swarming started"
    wait_until(lambda: _requests(web) < 60, deadline_s=30)  # Locust keeps its answer for two seconds
    wait_until(lambda: _requests(web) > 100, deadline_s=30)
    assert _steps(web) == steps
    assert not _logged(web, "the highest step that holds")
    web.post("/stop")


def _requests(web: httpx.Client) -> int:
    return int(web.get("/stats/requests").json()["stats"][0]["num_requests"])


def _logged(web: httpx.Client, text: str) -> bool:
    return any(text in line for line in web.get("/logs").json()["master"])


def _steps(web: httpx.Client) -> int:
    return sum("req/s, p99" in line for line in web.get("/logs").json()["master"])
