"""The form starts what its scenario says, also in place of a test under way, and refuses what cannot work."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.waiting import wait_until
from tests.support.web import Web, web_ui


@pytest.fixture(scope="module")
def picker() -> Iterator[httpx.Client]:
    """The UI of a Locust whose classes are picked."""
    with web_ui("--class-picker") as started:
        yield started.client


def _start(picker: httpx.Client, *classes: str, **fields: object) -> str:
    """Return the form's answer when it is sent."""
    form = {"user_count": 2, "spawn_rate": 2, "user_classes": list(classes), **fields}
    return str(picker.post("/swarm", data=form).json()["message"])


@pytest.mark.parametrize(
    ("classes", "fields", "message"),
    [
        ((), {}, "Ramp sets the load itself and runs alone."),
        (("Hello", "Sleepers"), {}, "Sleepers sets the load itself and runs alone."),
        (("Rate",), {"rate": "-5"}, "rate: invalid value -5: must be a number from 0.001 to"),
        (("Ramp",), {"objective": "fast"}, "a percentile and a limit, such as p99<50ms"),
        (("Sleep",), {"delay_ms": "soon"}, "delay_ms: invalid value soon: must be"),
        (("Hello",), {"host": "https://127.0.0.1"}, "for https, use a FastUser."),
    ],
)
def test_a_form_that_cannot_work_is_refused_and_starts_nothing(
    picker: httpx.Client, classes: tuple[str, ...], fields: dict[str, str], message: str
) -> None:
    assert message in _start(picker, *classes, **fields)
    assert picker.get("/stats/requests").json()["user_count"] == 0


@pytest.mark.slow
@pytest.mark.parallel
def test_a_climb_that_is_stopped_takes_no_further_step(picker: httpx.Client) -> None:
    """Its next step would start users again. The form's rate is the one it climbs from."""
    assert _start(picker, "Ramp", rate="50") == "Swarming started"
    wait_until(lambda: _logged(picker, "50: "), deadline_s=30)
    picker.post("/stop")
    steps = _steps(picker)
    assert _start(picker, "Rate", rate="20") == "Swarming started"
    wait_until(lambda: _requests(picker) < 60, deadline_s=30)  # Locust keeps its answer for two seconds
    wait_until(lambda: _requests(picker) > 100, deadline_s=30)
    assert _steps(picker) == steps
    assert not _logged(picker, "the highest step that holds")
    picker.post("/stop")


def _requests(picker: httpx.Client) -> int:
    return int(picker.get("/stats/requests").json()["stats"][0]["num_requests"])


def _logged(picker: httpx.Client, text: str) -> bool:
    return any(text in line for line in picker.get("/logs").json()["master"])


def _steps(picker: httpx.Client) -> int:
    return sum("req/s, p99" in line for line in picker.get("/logs").json()["master"])


def test_start_works_at_once_with_the_scenario_that_is_chosen(web: Web) -> None:
    assert "the workload, where no class is named" in web.client.get("/").text
    assert web.start() == "Swarming started"
    wait_until(lambda: _names(web) == {"/hello", "Aggregated"}, deadline_s=30)
    web.client.post("/stop")
    assert web.start(scenario="sleep", delay_ms="5") == "Swarming started"
    wait_until(lambda: "/sleep" in _names(web) and "/hello" not in _names(web), deadline_s=30)
    web.client.post("/stop")


def test_another_scenario_takes_the_place_of_the_test_under_way(web: Web) -> None:
    assert web.start() == "Swarming started"
    wait_until(lambda: _state(web) == "running", deadline_s=30)
    assert web.start(scenario="sleep", delay_ms="5") == "Swarming started"
    wait_until(lambda: _names(web) == {"/sleep", "Aggregated"}, deadline_s=30)
    assert _state(web) == "running"
    web.client.post("/stop")


def test_a_form_that_is_refused_leaves_the_test_under_way(web: Web) -> None:
    assert web.start() == "Swarming started"
    wait_until(lambda: _state(web) == "running", deadline_s=30)
    assert "delay_ms: invalid value soon" in web.start(scenario="sleep", delay_ms="soon")
    assert _state(web) == "running"
    web.client.post("/stop")


def _state(web: Web) -> str:
    return str(web.client.get("/stats/requests").json()["state"])


def test_a_field_that_the_scenario_does_not_take_is_left_out(web: Web) -> None:
    assert web.start(scenario="hello", delay_ms="x", rate="") == "Swarming started"
    web.client.post("/stop")


def test_only_what_the_scenario_takes_is_read(web: Web) -> None:
    assert "rate: invalid value -5" in web.start(scenario="rate", rate="-5")
    assert "delay_ms: invalid value soon" in web.start(scenario="sleep", delay_ms="soon")
    assert web.start(scenario="hello", objective="nonsense", user_count=1) == "Swarming started"
    web.client.post("/stop")


def _names(web: Web) -> set[str]:
    return {one["name"] for one in web.client.get("/stats/requests").json()["stats"]}
