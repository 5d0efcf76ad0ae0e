"""Locust's own web UI on one stack at a time, which its form can change."""

import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from common.catalog.sizes import Runtime, Size
from common.cli.parameters import StackParameter
from common.console import Terminal
from common.errors import BenchmarkError, FailedError
from common.host.cores import split_cores
from common.host.folders import temporary_folder
from common.host.network import HOST, WILDCARDS, check_port, free_port
from common.host.readiness import responds, wait_until
from common.host.supervisor import Program
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import prepare
from loadtests.campaign.manifest import cell_of
from loadtests.scenarios.scenario import USERS
from loadtests.web.menu import menu_of
from loadtests.web.switchboard import PASSWORD_VARIABLE, USER, Offer, State, Switchboard, Wanted
from loadtests.windows.by_locust import LOCUST, isolated_locust

POLL_S = 0.1
LEFT_S = 120.0
"""The time after the last page was closed for which a test goes on; a browser lets a hidden one ask once a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebUi:
    """The address on which the web UI listens."""

    port: int
    host: str = HOST
    processes: int = 0
    """Locust worker processes; 0 for one process in all."""

    @property
    def is_public(self) -> bool:
        """Whether others than this machine can reach it."""
        return self.host not in {HOST, "localhost", "::1"}

    @property
    def url(self) -> str:
        """Its address for a browser on this machine, or for others if it listens on one address of the network."""
        host = WILDCARDS.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def options(self, folder: Path, runtime: Runtime, cores: Sequence[int]) -> list[str]:
        """Return Locust's options for it."""
        return [
            f"--web-host={self.host}",
            f"--web-port={self.port}",
            f"--users={USERS}",
            f"--spawn-rate={USERS}",
            f"--switchboard={folder}",
            f"--left-s={LEFT_S:g}",
            f"--stack-runtime={runtime}",
            f"--cores={','.join(map(str, cores))}",
            *(["--web-login"] if self.is_public else []),
            *(self._workers() if self.processes else []),
        ]

    def _workers(self) -> list[str]:
        """Return the options for workers on this machine, which meet at a port of their own."""
        port = free_port()
        bound = [f"--master-bind-host={HOST}", f"--master-bind-port={port}", f"--master-port={port}"]
        return [f"--processes={self.processes}", *bound]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A stack that is asked for, and the number of the request; 0 for what the command begins with."""

    candidate: Candidate
    size: Size
    number: int = 0


class WebEndedError(FailedError):
    """Locust itself has ended, so that there is no form left to ask with."""


@dataclass(slots=True, kw_only=True)
class Desk:
    """The parts that serve one stack after the other: Locust, its requests, and the console for messages."""

    board: Switchboard
    locust: Program
    terminal: Terminal
    runtime: Runtime
    first: Asked
    announce: Callable[[str], None]
    """Called with the address of the first stack once that is up."""
    is_announced: bool = False
    shown: Offer = field(default_factory=partial(Offer, number=0, state=State.STARTING, message=""))
    is_closed: bool = False

    def show(self, offer: Offer) -> None:
        """Have the form show what is up."""
        self.shown = offer
        self.board.offer(offer)

    def next(self, server_ended: Callable[[], str | None]) -> Asked:
        """Return the next stack that is asked for, ready to be brought up.

        ``FailedError`` where the server ends before. What cannot be had leaves the server as it is.
        """
        while True:
            wanted = self._request(server_ended)
            before, message = self.shown, f"getting {wanted.framework} on {wanted.server} ready"
            self.show(replace(before, number=wanted.number, state=State.STARTING, message=message, problem=""))
            try:
                asked = chosen(wanted, self.runtime, self.first)
                prepare([asked.candidate], self.terminal.messages)
            except BenchmarkError as error:
                self.terminal.say(f"error: {error}")
                self.show(replace(before, number=wanted.number, problem=str(error)))
            else:
                return asked

    def _request(self, server_ended: Callable[[], str | None]) -> Wanted:
        while (wanted := self.board.asked()) is None or wanted.number <= self.shown.number:
            if (reason := self.locust.exit_reason()) is not None:
                raise WebEndedError(f"Locust ended, and the running test is lost: {reason}")
            if (reason := server_ended()) is not None:
                self.show(replace(self.shown, state=State.FAILED, message=f"the server ended: {reason}"))
                raise FailedError(self.shown.message)
            time.sleep(POLL_S)
        return wanted

    def close(self) -> None:
        """End the test under way while its server is still up, and say what has become of all tests."""
        if self.is_closed or not self.is_announced:
            return
        self.is_closed = True
        self.board.close()
        wait_until(
            lambda: self.board.outcome() is not None,
            self.locust.exit_reason,
            name="the end of the test under way",
            output=self.locust.output,
        )
        outcome = self.board.outcome()
        assert outcome is not None
        if outcome.runs:
            self.terminal.say(f"recorded: {', '.join(outcome.runs)}; make report shows what they say")
        for sentence in outcome.lost:
            self.terminal.say(f"error: {sentence}")


def open_web(candidate: Candidate, size: Size, where: WebUi, terminal: Terminal, *, runtime: Runtime) -> None:
    """Bring ``candidate`` up with the web UI on it, then whatever its form asks for, until interrupted.

    Nothing is left afterwards.
    """
    check_port(where.port)
    password, cores = secrets.token_urlsafe(12), split_cores(size.vcpu).generator
    try:
        with temporary_folder("web") as folder:
            board = Switchboard(folder=folder)
            board.show(menu_of(candidate, runtime))
            line = [*LOCUST, f"--host=http://{HOST}", *where.options(folder, runtime, cores)]
            with isolated_locust(line, folder, cores=cores, more=_variables(password)) as locust:
                login = f": user {USER}, password {password}" if where.is_public else ":"
                desk = Desk(
                    board=board,
                    locust=locust,
                    terminal=terminal,
                    runtime=runtime,
                    first=Asked(candidate=candidate, size=size),
                    announce=lambda url: _announce(url, where, login, locust, terminal),
                )
                _serve_all(desk)
    except KeyboardInterrupt:
        terminal.say(f"{candidate.name} and Locust are down")


def _variables(password: str) -> dict[str, str]:
    """Return the variables that Locust, which writes the runs, needs to log in, and to find Docker and git as we do."""
    docker = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    return {PASSWORD_VARIABLE: password, "GIT_CONFIG_GLOBAL": str(Path.home() / ".gitconfig"), **docker}


def _announce(stack_url: str, where: WebUi, login: str, locust: Program, terminal: Terminal) -> None:
    path = "/login" if where.is_public else "/"
    wait_until(lambda: responds(where.url, path), locust.exit_reason, name="Locust's web UI", output=locust.output)
    terminal.say(f"a stack is up at {stack_url}; Locust's web UI, until Ctrl-C{login}")
    terminal.results.print(where.url, soft_wrap=True)


def _serve_all(desk: Desk) -> None:
    """Serve one stack after the other, as the form asks for them; the first one has to come up."""
    asked = desk.first
    try:
        while True:
            try:
                asked = _serve(asked, desk)
            except WebEndedError:
                raise
            except BenchmarkError as error:
                if not desk.is_announced:
                    raise
                desk.show(replace(desk.shown, number=asked.number, state=State.FAILED, message=str(error)))
                desk.terminal.say(f"error: {error}")
                asked = desk.next(lambda: None)
    except KeyboardInterrupt:
        desk.close()
        raise


def chosen(wanted: Wanted, runtime: Runtime, first: Asked) -> Asked:
    """Return the stack and the size that the form asks for; ``UsageError`` where there is no such stack.

    The stack that the command began with may be at a version, on a Python or in a folder of its own.
    """
    known = first.candidate
    image = known.image.name if known.image else None
    if (wanted.framework, wanted.server, wanted.image) == (known.stack.framework.name, known.stack.server.name, image):
        return Asked(candidate=known.serving(wanted.app), size=wanted.size, number=wanted.number)
    asked = StackParameter(framework=wanted.framework, server=wanted.server, image=wanted.image)
    candidate = asked.candidate(runtime).serving(wanted.app)
    return Asked(candidate=candidate, size=wanted.size, number=wanted.number)


def _serve(asked: Asked, desk: Desk) -> Asked:
    """Serve a stack until the form asks for another, and return that; ``FailedError`` where something ends."""
    candidate, size, cores = asked.candidate, asked.size, split_cores(asked.size.vcpu)
    message = f"{candidate.name} is being brought up"
    if asked.number:
        desk.terminal.say(message)
    desk.show(replace(desk.shown, number=asked.number, state=State.STARTING, message=message, name=candidate.name))
    with candidate.serve(size, cores=cores.server, inside=False) as running:
        desk.show(
            Offer(
                number=asked.number,
                state=State.UP,
                message=f"{candidate.name} is up",
                name=candidate.name,
                url=running.url,
                cpu_meter=running.cpu_meter,
                size=size,
                server_cores=list(cores.server),
                generator_cores=list(cores.generator),
                split_siblings=cores.split_siblings,
                cell=cell_of(candidate, None),
            )
        )
        if not desk.is_announced:
            desk.announce(running.url)
            desk.is_announced = True
        try:
            return desk.next(running.exit_reason)
        except KeyboardInterrupt:
            desk.close()
            raise
