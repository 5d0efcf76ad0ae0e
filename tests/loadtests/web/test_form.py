"""The form shows what is up, asks for another stack only where it names one, and refuses what cannot work."""

from collections.abc import Iterator

import httpx
import pytest
from msgspec.structs import replace

from common.catalog.sizes import Runtime
from common.errors import UsageError
from loadtests.web.form import choices, fields, wanted_of
from loadtests.web.switchboard import Offer, State
from tests.support.records import cell
from tests.support.waiting import wait_until
from tests.support.web import Web, web_ui

UP = Offer(number=0, state=State.UP, message="", cell=cell("falcon+gunicorn-gthread", image="slim"))
OWN = replace(UP, cell=cell("my-app-local+native", interface="native", image="slim"))


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


def test_only_what_the_scenario_takes_is_read(web: Web) -> None:
    assert "rate: invalid value -5" in web.start(scenario="rate", rate="-5")
    assert "delay_ms: invalid value soon" in web.start(scenario="sleep", delay_ms="soon")
    assert web.start(scenario="hello", objective="nonsense", user_count=1) == "Swarming started"
    web.client.post("/stop")


def _names(web: Web) -> set[str]:
    return {one["name"] for one in web.client.get("/stats/requests").json()["stats"]}


def shown(offer: Offer, runtime: Runtime = Runtime.DOCKER) -> dict[str, str]:
    """Return what the form sends if nothing on it is changed."""
    return {name: str(one["default_value"]) for name, one in fields(offer, runtime).items()}


def test_the_form_shows_what_is_up() -> None:
    assert shown(UP) == {"framework": "falcon", "server": "default", "image": "slim", "vcpu": "1", "memory": ""}
    other = replace(UP, cell=cell("falcon+granian", image="slim"))
    assert shown(other)["server"] == "granian"


def test_processes_have_neither_images_nor_limits() -> None:
    assert set(shown(UP, Runtime.PROCESS)) == {"framework", "server", "vcpu"}


@pytest.mark.parametrize("offer", [UP, OWN])
def test_a_form_that_nobody_changed_asks_for_nothing(offer: Offer) -> None:
    assert wanted_of(shown(offer), offer, Runtime.DOCKER) is None
    assert offer.cell is not None
    assert offer.cell.framework in (choices(offer, Runtime.DOCKER)["framework"] or [])


@pytest.mark.parametrize(
    "change", [{"framework": "flask"}, {"server": "granian"}, {"image": "alpine"}, {"vcpu": "0.5"}, {"memory": "64m"}]
)
def test_every_change_asks_for_another_stack(change: dict[str, str]) -> None:
    wanted = wanted_of(shown(UP) | change, UP, Runtime.DOCKER)
    assert wanted is not None
    ((name, value),) = change.items()
    assert getattr(wanted, name) == value


def test_an_unknown_framework_is_refused() -> None:
    with pytest.raises(UsageError, match=r"FRAMEWORK=flacon is unknown\. Did you mean falcon"):
        wanted_of(shown(UP) | {"framework": "flacon"}, UP, Runtime.DOCKER)
