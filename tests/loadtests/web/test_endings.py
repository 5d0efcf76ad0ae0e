"""However a test ends, it is a run with the figures that the page showed, or a sentence says why not: in a browser."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from common.errors import UsageError
from common.host import run_lock
from common.host.machine import machine
from common.host.run_lock import hold_run_lock
from common.project import ROOT
from common.records.figure import machine_digest
from common.records.summary import Verdict
from common.records.window import Window
from loadtests.campaign.store import RESULTS, RunFolder
from tests.support.make_web import COMMAND, Page, Started, make_web, require_sound
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.parallel]
LEFT_S = 5
SOON_LEFT = (
    "import sys; from loadtests.web import serving; serving.LEFT_S = {}; from loadtests.__main__ import main; main()"
)
IN_SMALL_FOLDER = 'mount -t tmpfs -o size=512k tmpfs "$0" && exec "$@"'


@contextmanager
def opened(chrome: webdriver.Chrome, web: Started) -> Iterator[Page]:
    """Show the page."""
    page = Page(driver=chrome, web=web)
    page.open()
    yield page


@pytest.fixture
def page(tmp_path: Path, chrome: webdriver.Chrome) -> Iterator[Page]:
    """The page of a web UI that a test may end."""
    with make_web(tmp_path) as web, opened(chrome, web) as page:
        yield page


def test_a_server_that_is_killed_ends_the_test_and_start_brings_it_up_again(page: Page) -> None:
    number = page.start()
    page.web.program("bin/uvicorn").kill()
    said = page.wait_for("START brings the server up again.")  # the page says first, for a moment, that it ended
    assert "the server ended: exit status 137" in said
    require_sound(page.row(number), verdict=Verdict.SERVER_DIED)
    assert page.web.data()["open"] == 0, "nobody hammers its port"
    assert page.wait_for("no server is up", element="status")
    again = page.start()
    page.press("stop")
    require_sound(page.row(again))
    assert not page.text("problem")


def test_a_server_that_is_killed_between_two_tests_is_said_and_brought_up_again(page: Page) -> None:
    page.web.program("bin/uvicorn").kill()
    assert page.wait_for("the server ended: exit status 137")
    number = page.start()
    page.press("stop")
    require_sound(page.row(number))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_test_that_is_interrupted_in_the_terminal_is_recorded(page: Page, number: signal.Signals) -> None:
    row = page.start()
    page.web.end(number)
    assert "the web UI does not answer: it was ended in its terminal" in page.wait_for("does not answer")
    (run,) = page.web.runs()
    shown = page.rows()[row - 1] | {"run": run}
    load = RunFolder(folder=RESULTS / run).visits()[0].load  # type: ignore[attr-defined]
    assert load.connections_open_min == 16
    assert load.duration_s >= 3
    assert shown["stack"] == "raw_asgi+uvicorn"
    assert page.web.messages.read_text().endswith("raw_asgi+uvicorn and Locust are down\n")


def test_a_test_whose_command_is_killed_is_recorded_as_far_as_its_server_was_up(page: Page) -> None:
    port = page.web.url.rpartition(":")[2]

    def recorded() -> list[RunFolder]:
        summaries = (RunFolder(folder=file.parent) for file in RESULTS.glob("*-web-*/summary.json"))
        return [folder for folder in summaries if f"port={port}" in folder.run().command_line[0].lower()]

    page.start()
    page.web.end(signal.SIGKILL)
    wait_until(lambda: bool(recorded()), deadline_s=30)
    (folder,) = recorded()
    (window,) = folder.visits()
    shutil.rmtree(folder.folder)
    assert isinstance(window, Window)
    assert window.load is not None
    assert (window.load.users, window.load.failures) == (16, {})
    assert window.load.duration_s >= 2


def test_a_load_generator_that_is_killed_is_said(page: Page) -> None:
    page.start()
    page.web.program("-m locust").kill()
    page.web.process.wait(60)
    said = page.web.messages.read_text()
    assert "error: Locust ended, and the running test is lost: exit status 137" in said


@pytest.fixture
def small(tmp_path: Path, chrome: webdriver.Chrome) -> Iterator[Page]:
    """The page of a web UI whose results are on a small disk of its own."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    words = ("unshare", "--mount", "sh", "-c", IN_SMALL_FOLDER, str(RESULTS))
    if os.geteuid() or shutil.which("unshare") is None or subprocess.run([*words, "true"], check=False).returncode:
        pytest.skip("mounting a small disk needs root and unshare")
    with make_web(tmp_path, command=(*words, *COMMAND)) as web, opened(chrome, web) as page:
        yield page


def _fill(results: Path) -> Path:
    file = results / "full"
    with file.open("wb", buffering=0) as full, suppress(OSError):
        while full.write(bytes(4096)):
            pass
    return file


def test_a_test_that_finds_the_disk_full_is_written_once_there_is_room(small: Page) -> None:
    number = small.start()
    full = _fill(small.web.results)
    small.press("stop")
    assert small.row(number)["run"].startswith("not on disk yet, and tried again every 5 s: ")
    assert small.row(number)["run"].endswith("cannot be written: No space left on device")
    assert {one.name for one in small.web.results.iterdir()} == {"full"}, "no half of a run"
    full.unlink()
    wait_until(lambda: small.row(number)["run"].startswith("20"), deadline_s=20)
    require_sound(small.row(number), small.web.results)


def test_a_disk_that_stays_full_is_said_at_the_end(small: Page) -> None:
    small.start()
    _fill(small.web.results)
    small.web.end(signal.SIGINT)
    said = small.web.messages.read_text()
    assert "error: raw_asgi+uvicorn, hello: not on disk" in said
    assert said.count("No space left on device") == 1


def test_a_test_ends_some_time_after_its_last_page_was_closed(tmp_path: Path, chrome: webdriver.Chrome) -> None:
    command = (sys.executable, "-c", SOON_LEFT.format(LEFT_S))
    with make_web(tmp_path, command=command) as web, opened(chrome, web) as page:
        assert (
            f"or {LEFT_S} s after the last page of this web UI was closed"
            in page.driver.find_element(By.TAG_NAME, "main").text
        )
        number = page.start()
        page.driver.get("about:blank")
        time.sleep(LEFT_S + 3)
        page.open()
        assert page.wait_for("the test was stopped").endswith(f"no page had asked for its figures for {LEFT_S} s.")
        load = require_sound(page.row(number))
        assert load.duration_s < LEFT_S + 6
        number = page.start()
        page.driver.switch_to.new_window("tab")
        page.open()
        page.driver.close()
        page.driver.switch_to.window(page.driver.window_handles[0])
        time.sleep(LEFT_S + 2)
        assert web.data()["state"] == "running", "another page is open"
        number = page.start(run_time="12")
        page.driver.get("about:blank")
        time.sleep(14)
        page.open()
        assert require_sound(page.row(number)).duration_s == pytest.approx(12, abs=2), "it has an end of its own"


def test_stop_while_a_stack_is_brought_up_begins_no_test(page: Page) -> None:
    page.choose(framework="falcon")
    page.press("start")
    page.press("stop")
    assert page.wait_for("STOP was pressed before falcon was up")
    wait_until(lambda: page.web.data()["stack_state"] == "up", deadline_s=60)
    assert page.web.data()["stack"] == "falcon+gunicorn-gthread"
    assert page.rows() == []
    number = page.start()
    page.press("stop")
    require_sound(page.row(number))


def test_a_second_start_while_a_stack_is_brought_up_is_refused(page: Page) -> None:
    page.choose(framework="falcon")
    page.press("start")
    wait_until(lambda: bool(page.web.data()["starting"]), deadline_s=10)
    answer = page.web.start(framework="flask")
    assert answer["message"] == "another START is under way. Wait for it, or press STOP."
    wait_until(lambda: len(page.web.data()["slices"]) >= 2, deadline_s=60)
    assert page.web.data()["stack"] == "falcon+gunicorn-gthread"
    page.press("stop")
    require_sound(page.row(1))


def test_nothing_else_measures_or_cleans_up_meanwhile(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    number = page.start()
    monkeypatch.setenv(run_lock.VARIABLE, str(page.web.lock))
    with pytest.raises(UsageError, match="run web is in progress"), hold_run_lock("another"):
        pytest.fail("another run was let in")
    cleaned = subprocess.run(
        [sys.executable, "-m", "common.host.run_lock", "clean", "touch", str(page.web.lock) + ".cleaned"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert cleaned.returncode == UsageError.exit_status
    assert "make clean would remove what it works with" in cleaned.stderr
    page.press("stop")
    require_sound(page.row(number))


def test_a_test_here_is_of_the_same_machine_as_any_other_run(page: Page) -> None:
    number = page.start()
    page.press("stop")
    run = RunFolder(folder=RESULTS / page.row(number)["run"]).run()
    assert machine_digest(run.machine) == machine_digest(machine())
