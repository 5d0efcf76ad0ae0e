"""From the form to a stack, its figures, another stack and runs on disk: in a real browser, without a terminal."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from tests.support.browsers import complaints, violations, visible
from tests.support.make_web import Page, Started, make_web, require_sound
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.parallel]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The web UI that these tests use one after the other."""
    with make_web(tmp_path_factory.mktemp("web")) as started:
        yield started


@pytest.fixture
def page(chrome: webdriver.Chrome, web: Started) -> Iterator[Page]:
    """The page, with the form as it is in the beginning; no test is under way before and after."""
    page = Page(driver=chrome, web=web)
    page.open()
    page.choose(framework="raw_asgi", server="uvicorn", scenario="hello", user_count="16")
    yield page
    web.stop()


def _seconds(data: dict[str, Any]) -> int:
    """Return for how many seconds the test under way has been measured."""
    return len(data["slices"]) if data["state"] == "running" else 0


def _open_form(driver: webdriver.Chrome, web: Started) -> None:
    """Open Locust's own form, which is behind a button once there has been a test."""
    driver.get(f"{web.url}/")
    submit = "button[type=submit]"
    wait_until(lambda: bool(visible(driver, "button", text="NEW") or visible(driver, submit)), deadline_s=20)
    for button in visible(driver, "button", text="NEW"):
        button.click()
    wait_until(lambda: bool(visible(driver, submit)), deadline_s=20)


def test_locusts_own_page_starts_at_once_and_has_the_tab_and_a_link(web: Started, chrome: webdriver.Chrome) -> None:
    _open_form(chrome, web)
    assert visible(chrome, "a[href='/per-vcpu']")
    visible(chrome, "button[type=submit]")[0].click()
    wait_until(lambda: web.data()["state"] == "running", deadline_s=30)
    wait_until(lambda: "per vCPU" in chrome.find_element(By.TAG_NAME, "body").text, deadline_s=20)
    wait_until(lambda: bool(web.client.get("/stats/requests").json()["extended_stats"][0]["data"]), deadline_s=20)
    web.stop()
    last = web.data()["tests"][-1]
    assert last["scenario"] == "hello, 16 connections"


def _stands_still(element: WebElement) -> bool:
    before = element.rect
    time.sleep(0.2)
    return element.rect == before


def test_locusts_own_form_chooses_the_stack(web: Started, chrome: webdriver.Chrome) -> None:
    _open_form(chrome, web)
    (parameters,) = visible(chrome, "button", text="Custom parameters")
    parameters.click()
    wait_until(lambda: bool(visible(chrome, "select[name=framework]")), deadline_s=10)
    assert not visible(chrome, "[name=image], [name=memory]")
    Select(chrome.find_element(By.NAME, "framework")).select_by_visible_text("bottle")
    (submit,) = visible(chrome, "button[type=submit]")
    wait_until(lambda: _stands_still(submit), deadline_s=10)  # it moves while the parameters unfold
    submit.click()
    wait_until(lambda: web.data()["state"] == "running", deadline_s=90)
    assert web.data()["stack"] == "bottle+gunicorn-gthread"
    wait_until(lambda: _seconds(web.data()) >= 2, deadline_s=30)
    web.stop()


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="the defaults"),
        pytest.param({"scenario": "sleep", "delay_ms": "20"}, id="sleep"),
        pytest.param({"scenario": "rate", "rate": "500"}, id="an open loop"),
        pytest.param({"user_count": "200"}, id="200 connections"),
        pytest.param({"server": "granian"}, id="another server"),
    ],
)
def test_a_test_on_the_page_is_a_run_with_the_same_figures(page: Page, values: dict[str, str]) -> None:
    number = page.start(**values)
    page.press("stop")
    load = require_sound(page.row(number))
    assert load.users == int(values.get("user_count", "16"))
    assert not page.text("problem")
    assert not complaints(page.driver)


def test_a_switch_during_a_test_records_both_stacks(page: Page) -> None:
    first = page.start(framework="raw_asgi")
    second = page.start(framework="falcon")
    page.press("stop")
    rows = [page.row(first), page.row(second)]
    assert [row["stack"] for row in rows] == ["raw_asgi+uvicorn", "falcon+gunicorn-gthread"]
    for row in rows:
        require_sound(row)


def test_another_scenario_during_a_test_records_both(page: Page) -> None:
    first = page.start()
    second = page.start(scenario="sleep")
    page.press("stop")
    assert [page.row(number)["scenario"].split(",")[0] for number in (first, second)] == ["hello", "sleep"]
    for number in (first, second):
        require_sound(page.row(number))


def test_a_second_start_ends_the_first_test_and_begins_another(page: Page) -> None:
    first = page.start()
    second = page.start(user_count="8")
    page.press("stop")
    assert [require_sound(page.row(number)).users for number in (first, second)] == [16, 8]


def test_a_test_ends_when_it_was_asked_to(page: Page) -> None:
    number = page.start(run_time="4")
    load = require_sound(page.row(number))
    assert load.duration_s == pytest.approx(4, abs=1)
    assert not page.text("problem")


def test_a_test_survives_a_page_that_is_loaded_anew(page: Page) -> None:
    number = page.start()
    page.open()
    page.press("stop")
    require_sound(page.row(number))


def test_a_test_that_is_stopped_at_once_says_why_there_is_no_run(page: Page) -> None:
    number = len(page.web.data()["tests"]) + 1
    page.web.start()
    page.web.client.post("/stop")  # sooner than a press on the page, which waits for the button
    row = page.row(number)
    assert row["run"].startswith("not recorded: it was measured for 0.")
    assert row["run"].endswith("the shortest test that is recorded takes 1 s")


def test_a_climb_says_where_its_steps_are(page: Page) -> None:
    number = page.start(scenario="ramp", rate="50", objective="p99<500ms")
    page.press("stop")
    assert "its steps are in Locust's log. make loadtest SCENARIO=ramp records them" in page.row(number)["run"]


def test_a_wrong_field_is_refused_once_and_leaves_the_test_under_way(page: Page) -> None:
    number = page.start(framework="raw_asgi")
    page.choose(framework="falcon", scenario="ramp", objective="fast")
    page.press("start")
    refusal = page.wait_for("a percentile and a limit, such as p99<50ms")
    time.sleep(2.5)  # the page asks every two seconds
    assert page.text("problem") == refusal
    assert page.driver.find_element(By.TAG_NAME, "body").text.count(refusal) == 1
    assert page.web.data()["stack"] == "raw_asgi+uvicorn"
    page.press("stop")
    require_sound(page.row(number))


def test_a_stack_that_cannot_be_had_is_refused_in_the_forms_words_and_leaves_the_test_under_way(page: Page) -> None:
    number = page.start(framework="raw_asgi")
    answer = page.web.start(framework="falcon", server="uvicorn")
    assert answer["message"].startswith("server uvicorn cannot serve falcon here. Accepted: default, ")
    assert page.web.start(framework="falcon", vcpu="1.5")["message"].startswith("invalid vCPU 1.5: must be 1")
    page.wait_for("invalid vCPU 1.5")
    assert page.driver.find_element(By.TAG_NAME, "body").text.count("invalid vCPU 1.5") == 1
    page.press("stop")
    require_sound(page.row(number))


def test_only_servers_that_fit_the_framework_can_be_chosen(page: Page) -> None:
    page.choose(framework="falcon")
    server = Select(page.driver.find_element(By.NAME, "server"))
    assert server.first_selected_option.text == "gunicorn-gthread (default)"
    assert "uvicorn" not in {option.get_attribute("value") for option in server.options}


def test_quotes_bring_up_the_service_of_a_framework_that_has_one_and_hello_its_app_again(page: Page) -> None:
    page.choose(framework="microdot")
    assert _disabled(page, "scenario") == ["order", "orders", "place", "quotes", "shop"]
    page.choose(framework="raw_wsgi", scenario="quotes")
    assert "microdot" in _disabled(page, "framework")
    assert not {"raw_wsgi", "flask", "sanic"} & set(_disabled(page, "framework"))
    quoted = page.start()
    greeted = page.start(scenario="hello")
    page.press("stop")
    rows = [page.row(number) for number in (quoted, greeted)]
    assert [row["scenario"].split(",")[0] for row in rows] == ["quotes", "hello"]
    for row in rows:
        require_sound(row)
        assert row["failures"] == "0"


def _disabled(page: Page, field: str) -> list[str]:
    """Return the choices of a field that cannot be chosen now."""
    options = Select(page.driver.find_element(By.NAME, field)).options
    return [option.text for option in options if not option.is_enabled()]


def test_the_charts_have_round_ticks_and_a_time_axis(page: Page) -> None:
    page.start(4)
    wait_until(lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#charts .curve")) > 0, deadline_s=10)
    ticks = page.driver.execute_script(
        "return [...document.querySelector('#charts svg').querySelectorAll('.tick')].map((one) => one.textContent)"
    )
    assert {"0 s", "2 s", "4 s", "6 s", "8 s", "10 s"} <= set(ticks)
    values = [float(tick.replace(",", "")) for tick in ticks if "s" not in tick]
    assert values[0] == 0
    assert str(values[1]).strip("0.")[0] in "125"
    assert values == [values[1] * place for place in range(len(values))]


def test_each_row_leads_to_the_report_on_its_run(page: Page) -> None:
    number = page.start(framework="raw_asgi")
    page.press("stop")
    page.follow(page.row(number)["run"])
    assert page.driver.find_element(By.TAG_NAME, "h1").text == "Python API frameworks, per vCPU"
    assert "raw_asgi+uvicorn" in page.driver.find_element(By.ID, "stacks").text
    page.open()
    page.driver.find_element(By.ID, "report").click()
    assert "Runs of other machines" not in page.driver.find_element(By.TAG_NAME, "body").text


def test_nobody_is_kept_out(web: Started, chrome: webdriver.Chrome) -> None:
    chrome.get(f"{web.url}/per-vcpu")
    wait_until(lambda: bool(chrome.find_element(By.ID, "status").text), deadline_s=10)
    assert not violations(chrome)


def test_a_foreign_page_cannot_switch_the_stack(web: Started) -> None:
    before = web.data()["stack"]
    answer = web.client.post("/swarm", data={"framework": "flask"}, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    time.sleep(0.5)
    assert web.data()["stack"] == before


def test_a_public_address_asks_for_the_password(tmp_path: Path) -> None:
    with make_web(tmp_path, "--web-host=0.0.0.0") as web:
        client, messages = web.client, web.messages.read_text()
        for path in ("/", "/per-vcpu", "/per-vcpu/data", "/stats/requests"):
            assert client.get(path).status_code in {302, 401}, path
        assert client.post("/swarm", data={"user_count": 1}).status_code == 401
        password = messages.split("password ")[1].split()[0]
        client.post("/login_submit", data={"username": "benchmark", "password": "wrong"})
        assert client.get("/per-vcpu/data").status_code == 401
        client.post("/login_submit", data={"username": "benchmark", "password": password})
        assert web.data()["stack"] == "raw_asgi+uvicorn"


def test_the_figures_of_several_processes_are_added_up(tmp_path: Path) -> None:
    with make_web(tmp_path, "--processes=2") as web:
        wait_until(lambda: web.client.get("/worker-count").json()["worker_count"] == 2, deadline_s=30)
        form = {"user_count": 64, "spawn_rate": 64, "scenario": "sleep"}
        assert web.client.post("/swarm", data=form).json()["success"]
        wait_until(lambda: _seconds(web.data()) >= 3, deadline_s=60)
        web.stop()
        tests: Any = web.data()["tests"]
        total = web.client.get("/stats/requests").json()["stats"][-1]["num_requests"]
        slices = web.data()["slices"]
        assert isinstance(slices, list)
        counted = sum(one["requests"] for one in slices)
        assert 0 < counted <= total
        assert float(tests[0]["per_cpu_s"].replace(",", "")) > 1_000
        assert web.data()["runs"] == []
        assert tests[0]["run"] == "not recorded: several processes made the load, and a run is of one"
