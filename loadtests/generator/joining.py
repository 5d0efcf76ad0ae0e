"""Load from several machines: a master that waits for workers, and the workers that join it."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.errors import FailedError, UsageError
from common.host.supervisor import Program, supervised
from common.project import ROOT
from common.records.schema import decode
from common.records.window import Load
from loadtests.analysis.verdicts import GENERATOR_CEILING, worker_doubts
from loadtests.runs.results import RESULTS
from loadtests.windows.generator import GeneratorError
from loadtests.windows.throughput import LOCUST, SCENARIOS, START_UP_S

LOOK_EVERY_S = 0.2
EVERYWHERE = frozenset({"0.0.0.0", "[::]"})  # noqa: S104 -- what a user may bind to


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a master listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def listens(self) -> bool:
        """Whether something accepts connections there."""
        try:
            socket.create_connection((self.host.strip("[]"), self.port), timeout=2).close()
        except OSError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One window that a master leads."""

    url: str
    expect: int
    """How many workers have to join before it starts."""
    scenario: str
    users: int
    delay_ms: int
    warmup_s: float
    window_s: float
    bind: Address
    patience_s: float
    """How long it waits for workers."""


def address(text: str, *, variable: str) -> Address:
    """The address that ``HOST:PORT`` names; ``UsageError`` where it is none, or the name is not known here."""
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\s]+):(\d{1,5})", text)
    if found is None or not 0 < int(found[2]) < 2**16:
        raise UsageError(f"{variable}={text or '(empty)'} is no address. Accepted: HOST:PORT, such as 10.0.0.5:5557.")
    try:
        socket.getaddrinfo(found[1].strip("[]"), int(found[2]))
    except OSError as error:
        raise UsageError(
            f"{variable}={text} cannot be found: {error.strerror}. Accepted: a name that resolves."
        ) from error
    return Address(host=found[1], port=int(found[2]))


def lead(plan: Plan, out: Path | None, console: Console) -> None:
    """Wait for workers, have them load ``plan.url`` for one window, print and write what they did.

    ``FailedError`` once that is written where the window is in doubt.
    """
    if urlsplit(plan.url).scheme != "http" or not urlsplit(plan.url).hostname:
        raise UsageError(f"URL={plan.url or '(empty)'} cannot be loaded. Accepted: http://NAME[:PORT][/PREFIX].")
    file = out or RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-distributed.json"
    if file.exists() or not os.access(file.parent if out else ROOT, os.W_OK):
        raise UsageError(f"OUT={file} cannot be written. Accepted: a new file in a folder that exists.")
    file.parent.mkdir(parents=True, exist_ok=True)
    there = f"HOST:{plan.bind.port}" if plan.bind.host in EVERYWHERE else plan.bind
    console.print(f"waiting at {plan.bind} for {plan.expect} workers; on each machine: make worker MASTER={there}")
    _run_master(plan, file.absolute())
    load: Load = decode(file.read_bytes(), Load, source=str(file))
    console.print(table(load))
    console.print(f"written to {file}")
    if doubts := list(_doubts(load)):
        raise FailedError(" ".join(doubts))


def follow(master: Address, workers: int, patience_s: float, console: Console) -> None:
    """Join ``master`` with so many processes once it listens, and end with it; ``FailedError`` where it never does."""
    console.print(f"joining {master}")
    deadline_s = time.monotonic() + patience_s
    while not master.listens():
        if time.monotonic() > deadline_s:
            raise FailedError(f"nothing listens at MASTER={master} within {patience_s:g} s. Run make master there.")
        time.sleep(LOOK_EVERY_S)
    line = [*LOCUST, "--worker", f"--master-host={master.host}", f"--master-port={master.port}"]
    line += [f"--processes={workers}", "--exit-code-on-error=0"]
    with supervised(line, cwd=ROOT) as locust:
        if locust.wait():
            raise GeneratorError(f"the worker ended: {locust.exit_reason()}")
    console.print("the master has ended, and so has this")


def table(load: Load) -> Table:
    """What each worker did, and all of them."""
    found = Table(title=_title(load), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("worker", "users", "requests", "req/s", "CPU", "joined late"):
        found.add_column(heading, justify="left" if heading == "worker" else "right")
    for one in load.workers:
        rate, share = one.requests / one.duration_s, one.generator_cpu_s / one.duration_s
        late = "yes" if one.joined_late else ""
        found.add_row(one.name, str(one.users), f"{one.requests:,}", f"{rate:,.0f}", f"{share:.0%}", late)
    return found


def _title(load: Load) -> str:
    rate = f"{load.requests / load.duration_s:,.0f} requests a second" if load.duration_s else "nothing"
    if load.latency_s is None:
        return rate
    latency = load.latency_s
    return (
        f"{rate}; p50 {latency.p50 * 1000:.2f} ms, p99 {latency.p99 * 1000:.2f} ms, maximum {latency.max * 1000:.2f} ms"
    )


def _doubts(load: Load) -> Iterator[str]:
    if load.server_gone is not None:
        yield f"the server was lost: {load.server_gone}."
    if load.failures:
        yield f"failures: {', '.join(f'{name} x {count}' for name, count in load.failures.items())}."
    yield from (sentence for _, sentence in worker_doubts([load]))
    for one in load.workers:
        if one.generator_cpu_s > GENERATOR_CEILING * one.duration_s:
            yield f"worker {one.name} used {one.generator_cpu_s / one.duration_s:.0%} of a core; use more workers."


def _run_master(plan: Plan, file: Path) -> None:
    options = {
        "host": plan.url,
        "users": plan.users,
        "spawn-rate": plan.users,
        "delay-ms": plan.delay_ms,
        "warmup-s": plan.warmup_s,
        "window-s": plan.window_s,
        "window-file": file,
        "master-bind-host": plan.bind.host,
        "master-bind-port": plan.bind.port,
        "expect-workers": plan.expect,
        "expect-workers-max-wait": round(plan.patience_s),
    }
    line = [*LOCUST, "--master", "--headless", "--only-summary", *(f"--{n}={value}" for n, value in options.items())]
    with supervised([*line, SCENARIOS[plan.scenario]], cwd=ROOT) as locust:
        try:
            locust.wait(plan.patience_s + plan.warmup_s + plan.window_s + START_UP_S)
        except subprocess.TimeoutExpired as error:
            raise GeneratorError(f"Locust did not end in time. {locust.last_lines()}") from error
        if not file.exists():
            raise GeneratorError(f"Locust ended with exit status {locust.exit_status} and no result. {_why(locust)}")


def _why(locust: Program) -> str:
    """Return the error that Locust logged, or its last lines where it logged none."""
    named = re.findall(r"^.*(?:\bERROR\b|^\w*Error: ).*$", locust.output(), re.MULTILINE)
    return str(named[-1]) if named else locust.last_lines()
