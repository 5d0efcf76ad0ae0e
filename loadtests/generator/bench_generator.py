"""What a request costs each load generator that is here: ours, Locust's clients, wrk and h2load.

Every generator loads the same trivial server, pinned to the other core, in shuffled rounds. The server counts the
requests, for all generators alike; the CPU time is that of the generator's process tree between two instants of its
life, so that no start-up is in it.
"""

import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import psutil
from msgspec import Struct
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.console import live_progress
from common.errors import FailedError, UsageError
from common.host.cores import split_cores
from common.host.cpu import process_cpu_s
from common.host.supervisor import supervised
from common.host.waiting import wait_until
from common.project import ROOT
from loadtests.analysis.intervals import log_interval
from loadtests.generator.crosscheck import paired_ratio
from loadtests.generator.null_target import CLOSING, Target, serving
from loadtests.runs.plan import Step, steps
from loadtests.runs.results import RESULTS
from loadtests.windows.throughput import LOCUST

CONNECTIONS = (16, 64)
WARMUP_S = 1.0
OURS, FAST, WRK = "ours", "FastHttpUser", "wrk"
HEADINGS = (
    "server",
    "connections",
    "generator",
    "req/CPU-s",
    "95 % interval",
    "to wrk",
    "to FastHttpUser",
    "core used",
)

_OWN_LOCUST = (
    sys.executable,
    "-m",
    "locust",
    f"--locustfile={ROOT / 'loadtests' / 'generator' / 'bench_locustfile.py'}",
)
Line = Callable[[str, int], list[str]]


class Sample(Struct, frozen=True, kw_only=True):
    """One generator's window."""

    round: int
    cell: str
    requests: int
    generator_cpu_s: float
    duration_s: float

    @property
    def value(self) -> float:
        """Requests per CPU-second of the generator."""
        return self.requests / self.generator_cpu_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A generator with so many connections, on a server that keeps or closes them."""

    generator: str
    connections: int
    closing: bool

    @property
    def group(self) -> str:
        """What it is compared within."""
        return f"{'closing' if self.closing else 'keep-alive'}, {self.connections}"

    @property
    def name(self) -> str:
        """Unique in a run."""
        return f"{self.group}, {self.generator}"


def _locust(*line: str, user: str) -> Line:
    return lambda url, connections: [
        *line, "--headless", "--only-summary", f"--users={connections}", f"--spawn-rate={connections}", f"--host={url}",
        user,
    ]  # fmt: skip


GENERATORS: Mapping[str, Line] = {
    OURS: _locust(*LOCUST, user="Hello"),
    FAST: _locust(*_OWN_LOCUST, user="Fast"),
    "HttpUser": _locust(*_OWN_LOCUST, user="Plain"),
    WRK: lambda url, connections: ["wrk", "-t1", f"-c{connections}", "-d3600s", f"{url}/hello"],
    "h2load": lambda url, connections: ["h2load", "--h1", "-t1", f"-c{connections}", "-D3600", f"{url}/hello"],
}
"""The command line of each, without end, for a base URL and a number of connections."""
PACKAGES = {WRK: "wrk", "h2load": "nghttp2-client"}
"""Where Debian has those that are not ours."""


def bench(rounds: int, seconds: float, seed: int | None, console: Console) -> None:
    """Measure every generator that is here, print the table, and write the samples.

    ``UsageError`` where there is but one core. A generator that cannot do a kind of connection has no value there.
    """
    cores = split_cores(1)
    if cores.shared:
        raise UsageError("make bench-generator needs two cores, one for the server and one for the generator.")
    present = [name for name in GENERATORS if name not in PACKAGES or shutil.which(name)]
    for name in GENERATORS.keys() - set(present):
        console.print(f"{name} is not here (Debian: apt-get install {PACKAGES[name]}) and is left out")
    cells = {cell.name: cell for cell in _cells(present)}
    seed = secrets.randbelow(2**31) if seed is None else seed
    file = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{seed}-generators.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    planned = list(steps(tuple(cells), rounds, seed))
    samples: list[Sample] = []
    with serving(cores.server) as target, live_progress("generators", len(planned), console) as display:
        console.print(f"against {target.name} on core {cores.server[0]}, generators on {cores.generator}, seed {seed}")
        for step in planned:
            display.start(f"round {step.round}/{rounds} {step.cell}")
            sample, said = _sample(step, cells[step.cell], target, cores.generator[:1], seconds)
            if sample is not None:
                samples.append(sample)
                with file.open("ab") as out:
                    out.write(msgspec.json.encode(sample) + b"\n")
            display.done(f"round {step.round}/{rounds} {step.cell}: {said}")
    console.print(table(list(cells.values()), samples))
    console.print(f"written to {file}")


def table(cells: Sequence[Cell], samples: Sequence[Sample]) -> Table:
    """Each cell's cost, and its ratio to wrk's and to FastHttpUser's by pairs within rounds."""
    found = Table(
        title="requests per CPU-second of the generator", title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    for heading in HEADINGS:
        found.add_column(heading, justify="left" if heading in {"server", "generator"} else "right")
    by_cell = {cell.name: {one.round: one.value for one in samples if one.cell == cell.name} for cell in cells}
    for cell in cells:
        values = by_cell[cell.name]
        group = {one.generator: by_cell[one.name] for one in cells if one.group == cell.group}
        own = [one for one in samples if one.cell == cell.name]
        interval = log_interval(list(values.values()))
        found.add_row(
            "closing" if cell.closing else "keep-alive",
            str(cell.connections),
            cell.generator,
            "-" if interval is None else f"{interval.estimate:,.0f}",
            "-" if interval is None or interval.low is None else f"{interval.low:,.0f} to {interval.high:,.0f}",
            *(_to(values, group.get(other, {})) for other in (WRK, FAST)),
            f"{sum(one.generator_cpu_s for one in own) / sum(one.duration_s for one in own):.0%}" if own else "-",
        )
    return found


def _cells(generators: Sequence[str]) -> Iterator[Cell]:
    for closing in (False, True):
        for connections in CONNECTIONS:
            for generator in generators:
                yield Cell(generator=generator, connections=connections, closing=closing)


def _to(values: Mapping[int, float], other: Mapping[int, float]) -> str:
    ratio = paired_ratio(values, other)
    if ratio is None:
        return "-"
    bounds = "" if ratio.low is None else f" ({ratio.low:.2f} to {ratio.high:.2f})"
    return f"{ratio.estimate:.2f}{bounds}"


def _sample(step: Step, cell: Cell, target: Target, cores: Sequence[int], seconds: float) -> tuple[Sample | None, str]:
    """One window of a generator that has been running for a second; and what to say of it."""
    url = target.url + (CLOSING if cell.closing else "")
    line = GENERATORS[cell.generator](url, cell.connections)
    with supervised(line, cwd=ROOT, cores=cores) as generator:
        first = target.answered()
        try:
            wait_until(
                lambda: target.answered() > first + 10 * cell.connections, generator.exit_reason, what=cell.generator
            )
        except FailedError as error:
            return None, str(error)
        time.sleep(WARMUP_S)
        before = _read(generator.pid, target)
        time.sleep(seconds)
        after = _read(generator.pid, target)
        if (how := generator.exit_reason()) is not None:
            return None, how
    duration_s, requests, cpu_s = (last - earlier for last, earlier in zip(after, before, strict=True))
    if not requests or not cpu_s:
        return None, "it sent nothing"
    sample = Sample(
        round=step.round, cell=cell.name, requests=int(requests), generator_cpu_s=cpu_s, duration_s=duration_s
    )
    return sample, f"{sample.value:,.0f} requests per CPU-second"


def _read(supervisor: int, target: Target) -> tuple[float, float, float]:
    """The time, the server's count, and the CPU time of all that the supervisor runs."""
    answered = target.answered()
    tree = psutil.Process(supervisor).children(recursive=True)
    return time.perf_counter(), answered, sum(process_cpu_s(process.pid) for process in tree)
