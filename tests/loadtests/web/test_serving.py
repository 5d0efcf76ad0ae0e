"""The web UI is up on a server of its own until it is interrupted, and ends with that server."""

import io
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn, cast

import httpx
import pytest
from rich.console import Console

from common.catalog.frameworks import frameworks
from common.catalog.servers import SERVERS
from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import Stack
from common.cli.parameters import StackParameter
from common.console import Terminal
from common.errors import FailedError, UsageError
from common.host.network import free_port
from common.host.readiness import responds
from common.host.run_lock import hold_run_lock
from common.host.supervisor import Program
from common.runtimes.candidates import Candidate
from common.runtimes.running_server import RunningServer
from loadtests.cli import web
from loadtests.targets.ceiling import null_server
from loadtests.web import serving
from loadtests.web.serving import Asked, Desk, WebUi, chosen, open_web
from loadtests.web.switchboard import Choice, Menu, Offer, State, Switchboard, Wanted
from tests.support.records import cell
from tests.support.waiting import wait_until


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A server that only answers, in place of a stack."""

    name: str = "toy"
    exit_reason: Callable[[], str | None] = lambda: None

    @contextmanager
    def serve(self, _: Size, *, cores: Sequence[int], inside: bool) -> Iterator[RunningServer]:
        """Bring it up on this machine."""
        assert not inside, "a browser cannot reach it there"
        with null_server(cores) as running:
            yield replace(running, exit_reason=self.exit_reason)


@pytest.fixture(autouse=True)
def _toys_have_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "cell_of", lambda *_: cell("toy+server"))
    choice = Choice(default="server", servers={"server": []})
    menu = Menu(runtime=Runtime.PROCESS, frameworks={cell("toy+server").framework: choice}, cores=1)
    monkeypatch.setattr(serving, "menu_of", lambda *_: menu)


def opened(toy: Toy, port: int, results: io.StringIO | None = None, messages: io.StringIO | None = None) -> str:
    """Open the UI on a server, with its results in ``results``; return the messages."""
    messages = io.StringIO() if messages is None else messages
    terminal = Terminal(results=Console(file=results or io.StringIO()), messages=Console(file=messages, width=150))
    open_web(cast("Candidate", toy), Size(), WebUi(port=port), terminal, runtime=Runtime.PROCESS)
    return messages.getvalue()


def test_an_interrupt_takes_everything_down() -> None:
    port, results = free_port(), io.StringIO()
    url = f"http://127.0.0.1:{port}"

    def interrupt() -> None:
        try:
            wait_until(lambda: results.getvalue().endswith("\n") and responds(url, "/"), deadline_s=30)
        finally:
            os.kill(os.getpid(), signal.SIGINT)  # nothing else would end it

    thread = threading.Thread(target=interrupt)
    thread.start()
    messages = opened(Toy(), port, results)
    thread.join()
    assert results.getvalue() == f"{url}\n"
    assert messages.endswith("toy and Locust are down\n")
    assert not responds(url, "/")


def test_a_server_that_ends_is_said_and_the_form_stays_up() -> None:
    port, ended, messages = free_port(), threading.Event(), io.StringIO()
    toy = Toy(exit_reason=lambda: "killed for memory" if ended.is_set() else None)

    def end_and_interrupt() -> None:
        try:
            wait_until(lambda: responds(f"http://127.0.0.1:{port}", "/per-vcpu"), deadline_s=30)
            ended.set()
            wait_until(lambda: _data(port)["stack_state"] == "failed", deadline_s=10)
            wait_until(lambda: "error:" in messages.getvalue(), deadline_s=10)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=end_and_interrupt)
    thread.start()
    opened(toy, port, messages=messages)
    thread.join()
    assert "error: the server ended: killed for memory" in messages.getvalue()
    assert messages.getvalue().endswith("toy and Locust are down\n")


def _data(port: int) -> dict[str, object]:
    return cast("dict[str, object]", httpx.get(f"http://127.0.0.1:{port}/per-vcpu/data").json())


def test_a_server_that_does_not_come_up_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy()

    def serve(*_: object, **__: object) -> NoReturn:
        raise FailedError("toy ended before it was ready")

    monkeypatch.setattr(Toy, "serve", serve)
    with pytest.raises(FailedError, match="toy ended before it was ready"):
        opened(toy, free_port())


def test_a_port_in_use_is_refused_before_anything_is_brought_up() -> None:
    with null_server([min(os.sched_getaffinity(0))]) as running:
        port = int(running.url.rpartition(":")[2])
        with pytest.raises(UsageError, match=f"PORT={port}"):
            opened(Toy(), port)


def test_it_does_not_start_beside_a_run() -> None:
    with hold_run_lock("the first"), pytest.raises(UsageError, match="run the first is in progress"):
        web.web(StackParameter(framework="raw_asgi", runtime="process"), port=free_port())


@pytest.mark.parametrize(("server", "name"), [("gunicorn-gthread", "as it was"), ("granian", "falcon+granian")])
def test_the_first_stack_is_brought_up_again_as_it_was(server: str, name: str) -> None:
    stack = Stack(framework=frameworks()["falcon"], server=SERVERS["gunicorn-gthread"])
    first = Asked(candidate=Candidate(stack=stack, label="as it was"), size=Size())
    wanted = Wanted(number=1, framework="falcon", server=server, image=None, size=Size(vcpu=2))
    asked = chosen(wanted, Runtime.PROCESS, first)
    assert (asked.candidate.name, asked.size.vcpu, asked.number) == (name, 2, 1)


def test_a_stack_that_cannot_be_made_ready_leaves_the_one_that_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*_: object) -> NoReturn:
        raise FailedError("falcon cannot be installed")

    monkeypatch.setattr(serving, "prepare", prepare)
    board, messages = Switchboard(folder=tmp_path), Console(file=io.StringIO())
    first = Asked(candidate=cast("Candidate", Toy()), size=Size())
    monkeypatch.setattr(serving, "chosen", lambda *_: first)
    desk = Desk(
        board=board,
        locust=cast("Program", SimpleNamespace(exit_reason=lambda: None)),
        terminal=Terminal(messages=messages),
        runtime=Runtime.PROCESS,
        first=first,
        announce=lambda _: None,
    )
    up = Offer(number=0, state=State.UP, message="toy is up", name="toy", url="http://127.0.0.1:1")
    desk.show(up)
    board.ask(Wanted(number=1, framework="falcon", server="granian", image=None, size=Size()))
    with pytest.raises(FailedError, match="interrupted by the test"):
        desk.next(lambda: "interrupted by the test" if board.offered().problem else None)
    answered = board.offered()
    assert (answered.number, answered.problem) == (1, "falcon cannot be installed")
    assert (answered.name, answered.url) == (up.name, up.url)


@pytest.mark.parametrize(("host", "public"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])  # noqa: S104
def test_a_web_ui_that_others_can_reach_asks_for_a_password(tmp_path: Path, host: str, *, public: bool) -> None:
    options = WebUi(port=1, host=host).options(tmp_path, Runtime.PROCESS, [1])
    assert ("--web-login" in options) is public
    assert f"--web-host={host}" in options


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),  # noqa: S104
        ("::1", "http://[::1]:1"),
        ("::", "http://[::1]:1"),
        ("fe80::2", "http://[fe80::2]:1"),
        ("benchmark.example", "http://benchmark.example:1"),
    ],
)
def test_the_address_of_a_web_ui_can_be_opened(host: str, url: str) -> None:
    assert WebUi(port=1, host=host).url == url


def test_locusts_own_settings_do_not_reach_the_web_ui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that no Locust knows would end it."""
    (tmp_path / ".locust.conf").write_text("no-such-option = 1\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCUST_USERS", "not a number")
    test_an_interrupt_takes_everything_down()
