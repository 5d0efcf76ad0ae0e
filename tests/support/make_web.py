"""``make web`` on processes, and the page "per vCPU" in a real browser, as a user has them."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from selenium import webdriver
from selenium.common.exceptions import ElementNotInteractableException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from common.host import run_lock
from common.host.network import free_port
from common.project import ROOT
from common.records.summary import Verdict
from common.records.window import Load, Window
from loadtests.campaign.store import RESULTS, RunFolder
from loadtests.experiments.loadtest import report as throughput
from tests.support.waiting import wait_until
from tests.support.web import answers

COMMAND = (sys.executable, "-m", "loadtests")
OTHERS_DOING = {Verdict.TOO_FEW_ROUNDS, Verdict.DISTURBED, Verdict.GENERATOR_BOUND}
"""Verdicts on a test of one server beside other tests."""
WAITED = "rate x response time"
"""The beginning of a doubt that a busy machine raises as well, where the load generator waits for its core."""
ROWS = (
    "return [...document.querySelectorAll('#tests tr')].map("
    "(row) => Object.fromEntries([...row.cells].map((cell) => [cell.dataset.key, cell.textContent])))"
)
"""The table's texts, read at once: the page writes it anew every two seconds."""


@dataclass(frozen=True, kw_only=True)
class Started:
    """``make web`` on a free port."""

    url: str
    client: httpx.Client
    messages: Path
    process: subprocess.Popen[bytes]
    lock: Path

    def data(self) -> dict[str, Any]:
        """Return what the page polls, which counts as a page that is open."""
        found: dict[str, Any] = self.client.get("/per-vcpu/data").json()
        return found

    def start(self, **fields: object) -> dict[str, Any]:
        """Send the form as a program does, and return the answer."""
        form = {"user_count": 4, "spawn_rate": 4, "scenario": "hello", **fields}
        found: dict[str, Any] = self.client.post("/swarm", data=form).json()
        return found

    def stop(self) -> None:
        """End the test under way, and wait until it has ended."""
        self.client.post("/stop")
        wait_until(lambda: self.data()["state"] == "stopped", deadline_s=30)

    def program(self, words: str) -> psutil.Process:
        """Return the youngest process below it, other than guards, whose command line holds these words."""
        found = [one for one in psutil.Process(self.process.pid).children(recursive=True) if _is(one, words)]
        return max(found, key=lambda one: one.create_time())

    @property
    def results(self) -> Path:
        """Its results folder, as it sees it itself."""
        return Path(f"/proc/{self.process.pid}/root{RESULTS}")

    def runs(self) -> list[str]:
        """Return the ids of the runs that it says, at its end, it has recorded."""
        return re.findall(r"\d{8}T\d{6}Z-web-\d+", self.messages.read_text())

    def end(self, number: signal.Signals) -> None:
        """Send it a signal, and wait until it has ended."""
        self.process.send_signal(number)
        self.process.wait(60)


def _is(process: psutil.Process, words: str) -> bool:
    with suppress(psutil.Error):
        line = " ".join(process.cmdline())
        return words in line and "supervisor.py" not in line
    return False


@contextmanager
def make_web(
    folder: Path,
    *options: str,
    command: Sequence[str] = COMMAND,
    framework: str = "raw_asgi",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Started]:
    """Run ``make web`` on processes, with its messages and run lock in ``folder``; remove what it recorded."""
    port, lock, messages = free_port(), folder / "run.lock", folder / "messages"
    line = [*command, "web", f"--framework={framework}", "--runtime=process", f"--port={port}", *options]
    own = {**os.environ, **(environment or {}), run_lock.VARIABLE: str(lock)}
    with (
        messages.open("w") as file,
        subprocess.Popen(line, cwd=ROOT, stdout=file, stderr=file, env=own) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client,
    ):
        started = Started(url=f"http://127.0.0.1:{port}", client=client, messages=messages, process=process, lock=lock)
        try:
            wait_until(lambda: "Ctrl-C" in messages.read_text() and answers(client), deadline_s=120)
            yield started
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(60)
            for run in started.runs():
                shutil.rmtree(RESULTS / run, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class Page:
    """The page "per vCPU" in a browser."""

    driver: webdriver.Chrome
    web: Started

    def open(self) -> None:
        """Show it, and wait until it has asked for the state once."""
        self.driver.get(f"{self.web.url}/per-vcpu")
        wait_until(lambda: bool(self.text("status")), deadline_s=20)

    def choose(self, **values: str) -> None:
        """Fill in fields of the form by their names."""
        for name, value in values.items():
            field = self.driver.find_element(By.NAME, name)
            if field.tag_name == "select":
                Select(field).select_by_value(value)
            else:
                field.clear()
                field.send_keys(value)

    def press(self, name: str) -> None:
        """Press ``start`` or ``stop`` once it is enabled."""
        wait_until(lambda: self.driver.find_element(By.ID, name).is_enabled(), deadline_s=60)
        self.driver.find_element(By.ID, name).click()

    def follow(self, run: str) -> None:
        """Follow the link to the report on a run, whichever of the links that the page writes anew can be clicked."""
        wait_until(lambda: self._clicked(f"a[href$='{run}']"), deadline_s=10)

    def _clicked(self, selector: str) -> bool:
        with suppress(StaleElementReferenceException, ElementNotInteractableException):
            for link in self.driver.find_elements(By.CSS_SELECTOR, selector):
                link.click()
                return True
        return False

    def start(self, seconds: int = 3, /, **values: str) -> int:
        """Fill in the form, press START, and wait until this many seconds are measured; return the row's number."""
        number = len(self.web.data()["tests"]) + 1
        self.choose(**values)
        self.press("start")
        wait_until(lambda: len(self.web.data()["tests"]) >= number, deadline_s=90)
        wait_until(lambda: len(self.web.data()["slices"]) >= seconds, deadline_s=60)
        wait_until(lambda: len(self.rows()) >= number, deadline_s=20)
        return number

    def text(self, name: str) -> str:
        """Return the text of an element."""
        return self.driver.find_element(By.ID, name).text

    def rows(self) -> list[dict[str, str]]:
        """Return the texts of the table, by the keys of its columns."""
        found: list[dict[str, str]] = self.driver.execute_script(ROWS)
        return found

    def row(self, number: int) -> dict[str, str]:
        """Return a row of the table, from 1, once its test is over and the page shows what became of it."""
        wait_until(lambda: any(row["run"] for row in self.rows()[number - 1 : number]), deadline_s=60)
        return self.rows()[number - 1]

    def wait_for(self, words: str, *, element: str = "problem") -> str:
        """Return the text of an element once it holds these words."""
        wait_until(lambda: words in self.text(element), deadline_s=60)
        return self.text(element)


def require_sound(row: Mapping[str, str], results: Path = RESULTS, *, verdict: Verdict | None = None) -> Load:
    """Hold a row of the page against the run that it names: the same figures, and no doubt that is not due."""
    folder = RunFolder(folder=results / row["run"])
    run, (window,) = folder.run(), folder.visits()
    assert isinstance(window, Window)
    load = window.load
    assert load is not None
    assert load.server_cpu_s
    assert load.latency_s is not None
    assert row["per_cpu_s"] == f"{load.requests / load.server_cpu_s:,.0f}"
    assert (row["p50"], row["p99"]) == tuple(
        f"{value * 1000:.2f}" for value in (load.latency_s.p50, load.latency_s.p99)
    )
    assert row["seconds"] == f"{load.duration_s:.0f}"
    assert row["failures"] == f"{sum(load.failures.values()):,}"
    assert load.connections_open_min == load.users
    assert row["scenario"] == f"{run.setup.load.scenario}, {load.users} connections"  # type: ignore[attr-defined]
    assert row["stack"] == window.cell
    (result,) = throughput.summarise(run, [window]).cells  # type: ignore[arg-type]
    assert row["verdict"] == result.verdict
    due = OTHERS_DOING | {verdict for verdict, seen in result.doubts.items() if seen.startswith(WAITED)}
    if result.doubts.keys() >= {Verdict.DISTURBED, Verdict.GENERATOR_BOUND}:
        due.add(Verdict.OVERLOADED)  # a load generator that waits for a core cannot send on time
    assert set(result.doubts) <= due | ({verdict} if verdict else set()), result.doubts
    assert verdict is None or result.verdict == verdict
    return load
