"""Locust's own web UI on one stack at a time, which its form can change."""

import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.catalog.sizes import Runtime, Size
from common.console import Terminal
from common.errors import BenchmarkError, FailedError
from common.host.cores import split_cores
from common.host.folders import temporary_folder
from common.host.network import HOST, WILDCARDS, check_port, free_port
from common.host.readiness import responds, wait_until
from common.host.supervisor import Program, supervised
from common.project import ROOT
from common.runtimes.candidates import Candidate, parse_size, select_candidates, single_candidate
from common.runtimes.preparation import prepare
from loadtests.campaign.manifest import cell_of
from loadtests.experiments.loadtest import USERS
from loadtests.web.switchboard import PASSWORD_VARIABLE, USER, Offer, State, Switchboard, Wanted
from loadtests.windows.by_locust import LOCUST

POLL_S = 0.1


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
class Desk:
    """The parts that serve one stack after the other: Locust, its requests, and the console for messages."""

    board: Switchboard
    locust: Program
    terminal: Terminal
    runtime: Runtime

    def next(self, number: int, server_ended: Callable[[], str | None]) -> Wanted:
        """Return the next request; ``FailedError`` where the server or Locust ends before."""
        while (wanted := self.board.asked()) is None or wanted.number <= number:
            if (reason := self.locust.exit_reason()) is not None:
                raise WebEndedError(f"Locust ended: {reason}")
            if (reason := server_ended()) is not None:
                raise FailedError(f"the server ended: {reason}")
            time.sleep(POLL_S)
        return wanted


class WebEndedError(FailedError):
    """Locust itself has ended, so that there is no form left to ask with."""


def open_web(candidate: Candidate, size: Size, where: WebUi, terminal: Terminal, *, runtime: Runtime) -> None:
    """Bring ``candidate`` up with the web UI on it, then whatever its form asks for, until interrupted.

    Nothing is left afterwards.
    """
    check_port(where.port)
    password, cores = secrets.token_urlsafe(12), split_cores(size.vcpu).generator
    try:
        with temporary_folder("web") as folder:
            line = [*LOCUST, f"--host=http://{HOST}", *where.options(folder, runtime, cores)]
            environment = {**os.environ, PASSWORD_VARIABLE: password}
            with supervised(line, cwd=ROOT, cores=cores, env=environment) as locust:
                desk = Desk(board=Switchboard(folder=folder), locust=locust, terminal=terminal, runtime=runtime)
                login = f": user {USER}, password {password}" if where.is_public else ":"
                _serve_all(candidate, size, desk, lambda url: _announce(url, where, login, desk))
    except KeyboardInterrupt:
        terminal.say(f"{candidate.name} and Locust are down")


def _announce(stack_url: str, where: WebUi, login: str, desk: Desk) -> None:
    path = "/login" if where.is_public else "/"
    locust = desk.locust
    wait_until(lambda: responds(where.url, path), locust.exit_reason, name="Locust's web UI", output=locust.output)
    desk.terminal.say(f"a stack is up at {stack_url}; Locust's web UI, until Ctrl-C{login}")
    desk.terminal.results.print(where.url, soft_wrap=True)


def _serve_all(candidate: Candidate, size: Size, desk: Desk, announce: Callable[[str], None]) -> None:
    """Serve one stack after the other, as the form asks for them; the first one has to come up."""
    board = desk.board
    board.offer(Offer(number=0, state=State.STARTING, message=f"{candidate.name} is brought up"))
    wanted = _serve(candidate, size, None, desk, announce)
    while True:
        try:
            message = f"getting {wanted.framework} on {wanted.server} ready"
            board.offer(Offer(number=wanted.number, state=State.STARTING, message=message, wanted=wanted))
            candidate, size = chosen(wanted, desk.runtime)
            prepare([candidate], desk.terminal.messages)
            desk.terminal.say(f"{candidate.name} is brought up")
            wanted = _serve(candidate, size, wanted, desk, lambda _: None)
        except WebEndedError:
            raise
        except BenchmarkError as error:
            desk.terminal.say(f"error: {error}")
            board.offer(Offer(number=wanted.number, state=State.FAILED, message=str(error), wanted=wanted))
            wanted = desk.next(wanted.number, lambda: None)


def chosen(wanted: Wanted, runtime: Runtime) -> tuple[Candidate, Size]:
    """Return the stack and the size that the form asks for; ``UsageError`` where there is no such stack or size."""
    size = parse_size(runtime, wanted.vcpu, wanted.memory)
    found = select_candidates(framework=wanted.framework, server=wanted.server, image=wanted.image, runtime=runtime)
    return single_candidate(found), size


def _serve(
    candidate: Candidate, size: Size, wanted: Wanted | None, desk: Desk, announce: Callable[[str], None]
) -> Wanted:
    """Serve a stack until the form asks for another, and return that; ``FailedError`` where something ends."""
    number, cores = 0 if wanted is None else wanted.number, split_cores(size.vcpu).server
    with candidate.serve(size, cores=cores, inside=False) as running:
        desk.board.offer(
            Offer(
                number=number,
                state=State.UP,
                message=f"{candidate.name} is up",
                name=candidate.name,
                wanted=wanted,
                url=running.url,
                cpu_meter=running.cpu_meter,
                size=size,
                server_cores=list(cores),
                cell=cell_of(candidate, None),
            )
        )
        announce(running.url)
        return desk.next(number, running.exit_reason)
