"""From the form to a stack, its figures, another stack and runs on disk: in a real browser, without a terminal."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from common.host.network import free_port
from common.project import ROOT
from common.records.window import Window
from loadtests.campaign.store import RESULTS, RunFolder
from tests.support.browsers import browser, complaints, violations, visible
from tests.support.waiting import wait_until
from tests.support.web import answers

pytestmark = [pytest.mark.slow, pytest.mark.parallel]


@dataclass(frozen=True, kw_only=True)
class Started:
    """``make web`` on a free port."""

    url: str
    client: httpx.Client
    messages: Path

    def data(self) -> dict[str, object]:
        """Return what the page polls."""
        found: dict[str, object] = self.client.get("/per-vcpu/data").json()
        return found

    def stop(self) -> None:
        """End the test under way, and wait until it has ended."""
        self.client.post("/stop")
        wait_until(lambda: self.data()["state"] == "stopped", deadline_s=30)


@contextmanager
def make_web(messages: Path, *options: str) -> Iterator[Started]:
    """Run ``make web`` on processes, begun with a floor, and remove what it recorded."""
    port = free_port()
    line = [*(sys.executable, "-m", "loadtests", "web", "--framework=raw_asgi"), "--runtime=process", f"--port={port}"]
    known = set(RESULTS.glob("*-web-*"))
    with (
        messages.open("w") as file,
        subprocess.Popen([*line, *options], cwd=ROOT, stdout=file, stderr=file) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        try:
            wait_until(lambda: "Ctrl-C" in messages.read_text() and answers(client), deadline_s=120)
            yield Started(url=f"http://127.0.0.1:{port}", client=client, messages=messages)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
            for folder in set(RESULTS.glob("*-web-*")) - known:
                shutil.rmtree(folder)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The web UI that these tests use one after the other."""
    with make_web(tmp_path_factory.mktemp("web") / "messages") as started:
        yield started


@pytest.fixture(scope="module")
def chrome() -> Iterator[webdriver.Chrome]:
    with browser() as driver:
        yield driver


ROWS = "return [...document.querySelectorAll('#tests tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"
"""The table's texts, read at once: the page writes it anew every two seconds."""


def _rows(driver: webdriver.Chrome) -> list[list[str]]:
    found: list[list[str]] = driver.execute_script(ROWS)
    return found


def _press(driver: webdriver.Chrome, name: str) -> None:
    wait_until(lambda: driver.find_element(By.ID, name).is_enabled(), deadline_s=60)
    driver.find_element(By.ID, name).click()


def _seconds(data: dict[str, object]) -> int:
    """Return for how many seconds the test under way has been measured."""
    slices = data["slices"]
    assert isinstance(slices, list)
    return len(slices) if data["state"] == "running" else 0


def _measure(driver: webdriver.Chrome, web: Started, framework: str, tests: int) -> None:
    """START on a framework, let it run for some seconds, STOP."""
    Select(driver.find_element(By.NAME, "framework")).select_by_visible_text(framework)
    Select(driver.find_element(By.NAME, "server")).select_by_visible_text("default")
    _press(driver, "start")
    wait_until(lambda: _seconds(web.data()) >= 4, deadline_s=90)
    _press(driver, "stop")
    wait_until(lambda: web.data()["state"] == "stopped", deadline_s=30)
    last = web.data()["tests"][-1]  # type: ignore[index]
    wait_until(lambda: len(_rows(driver)) == tests and _rows(driver)[-1][2] == last["per_cpu_s"], deadline_s=10)


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
    last = web.data()["tests"][-1]  # type: ignore[index]
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


def test_stacks_are_measured_and_switched_on_the_page_written_as_runs_and_reported(
    web: Started, chrome: webdriver.Chrome
) -> None:
    chrome.get(f"{web.url}/per-vcpu")
    tests = len(web.data()["tests"])  # type: ignore[arg-type]
    _measure(chrome, web, "raw_asgi", tests + 1)
    _measure(chrome, web, "falcon", tests + 2)
    rows = _rows(chrome)[tests:]
    assert [row[0] for row in rows] == ["raw_asgi+uvicorn", "falcon+gunicorn-gthread"]
    runs = web.data()["runs"]
    assert isinstance(runs, list)
    assert len(runs) == tests + 2
    for row, name in zip(rows, runs[tests:], strict=True):
        (window,) = RunFolder(folder=RESULTS / name).visits()
        assert isinstance(window, Window)
        load = window.load
        assert load is not None
        assert load.server_cpu_s is not None
        shown = float(row[2].replace(",", ""))
        assert shown == pytest.approx(load.requests / load.server_cpu_s, rel=0.01), "within 1 % of the record"
    assert not complaints(chrome)
    wait_until(lambda: bool(visible(chrome, "#report")), deadline_s=10)
    chrome.find_element(By.ID, "report").click()
    assert chrome.find_element(By.TAG_NAME, "h1").text == "Python API frameworks, per vCPU"
    assert "raw_asgi+uvicorn" in chrome.find_element(By.ID, "stacks").text


def test_a_stack_that_cannot_be_had_is_refused_in_words_and_the_next_one_works(web: Started) -> None:
    form = {"framework": "falcon", "server": "uvicorn", "scenario": "hello", "user_count": 2, "spawn_rate": 2}
    answer = web.client.post("/swarm", data=form).json()
    assert not answer["success"]
    assert "cannot serve falcon" in answer["message"]
    assert web.client.post("/swarm", data=form | {"server": "default"}).json()["success"]
    web.stop()


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
    with make_web(tmp_path / "messages", "--web-host=0.0.0.0") as web:
        client, messages = web.client, web.messages.read_text()
        assert client.get("/").is_redirect
        assert client.get("/per-vcpu").is_redirect
        form = {"framework": "falcon", "user_count": 1, "spawn_rate": 1}
        assert client.post("/swarm", data=form).status_code == httpx.codes.UNAUTHORIZED
        password = messages.split("password ")[1].split()[0]
        client.post("/login_submit", data={"username": "benchmark", "password": "wrong"})
        assert client.get("/per-vcpu/data").status_code == httpx.codes.UNAUTHORIZED
        client.post("/login_submit", data={"username": "benchmark", "password": password})
        assert web.data()["stack"] == "raw_asgi+uvicorn"


def test_the_figures_of_several_processes_are_added_up(tmp_path: Path) -> None:
    with make_web(tmp_path / "messages", "--processes=2") as web:
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
        assert web.data()["runs"] == [], "a test of workers is shown, not recorded"
