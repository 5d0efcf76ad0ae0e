"""``make master`` and ``make worker``: one window on a server elsewhere, measured by workers on several machines.

They run here or in the image that ``make generator`` builds: the harness and its locked packages on a base image.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace
from rich.console import Console, RenderableType
from typing_extensions import override

from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import GENERATOR, images
from common.engine.client import build_client, build_environment
from common.errors import BenchmarkError, FailedError, UsageError
from common.host.addresses import require_consent
from common.host.folders import temporary_folder
from common.host.network import WILDCARDS
from common.host.supervisor import Program
from common.packages.indexes import proxy_arguments, secret_arguments
from common.project import ROOT
from common.records.load import LoadSpec, Setup
from common.records.schema import Visit, decode
from common.records.window import Load, Window
from common.runtimes.candidates import Candidate
from common.words import counted, last_lines
from loadtests.campaign.experiment import Experiment, Remaining, Visitor, remaining_of
from loadtests.campaign.manifest import RunIdentity, run_fields
from loadtests.campaign.plan import PlannedVisit
from loadtests.experiments.distributed import report
from loadtests.experiments.distributed.records import DistributedRun, DistributedSummary
from loadtests.scenarios.workloads import SCENARIOS
from loadtests.windows.by_locust import LOCUST, isolated_locust, longest_s, window_command
from loadtests.windows.tools import GeneratorError, wait_for_end

LOOK_EVERY_S = 0.2
_FOLDERS = ("common", "loadtests", "docker")
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.pyc", "results", "published")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The address that a master listens on."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, *, variable: str) -> "Address":
        """Return the address that ``HOST:PORT`` names; ``UsageError`` if it is invalid or does not resolve."""
        found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\s]+):(\d{1,5})", text, re.ASCII)
        if found is None or not 0 < int(found[2]) < 2**16:
            raise UsageError(f"invalid {variable}={text or '(empty)'}: must be HOST:PORT, such as 10.0.0.5:5557.")
        try:
            socket.getaddrinfo(found[1].strip("[]"), int(found[2]))
        except (OSError, UnicodeError) as error:
            raise UsageError(f"invalid {variable}={text}: {error}. Use a name that resolves.") from error
        return cls(host=found[1], port=int(found[2]))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def listens(self) -> bool:
        """Return whether the address accepts connections."""
        try:
            socket.create_connection((self.host.strip("[]"), self.port), timeout=2).close()
        except OSError:
            return False
        return True


class Distributed(Experiment[DistributedRun, DistributedSummary]):
    """One window, led by a master once all workers have joined it."""

    command = "master"
    run_type = DistributedRun
    visit_types = (Window,)
    summary_type = DistributedSummary
    is_reported = False
    why_not_resumable = "was written by make master, whose runs cannot be resumed"

    def __init__(self, run: DistributedRun, *, bind: Address | None = None, patience_s: float = 0.0) -> None:
        super().__init__(run)
        self.bind = bind
        self.patience_s = patience_s
        """The time for which the master waits for workers."""

    @override
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        return remaining_of([PlannedVisit(kind=Window, round=1, position=1, cell=self.run.url)], visits)

    @override
    @contextmanager
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> Iterator[Visitor]:
        assert self.bind is not None
        bind = self.bind

        def visit(batch: Sequence[PlannedVisit]) -> Sequence[Visit]:
            (planned,) = batch
            join = f"HOST:{bind.port}" if bind.host.strip("[]") in WILDCARDS else bind
            expected = counted(self.run.workers, "worker")
            messages.print(
                f"waiting at {bind} for {expected}; on each machine: make worker MASTER={join}",
                soft_wrap=True,
            )
            window = planned.record(Window, self.run.id)
            return [replace(window, load=_lead(self.run, bind, self.patience_s))]

        yield visit

    @override
    def summarise(self, visits: Sequence[Visit]) -> DistributedSummary:
        return report.summarise_distributed(self.run, [visit for visit in visits if isinstance(visit, Window)])

    @override
    def tables(self, summary: DistributedSummary) -> Iterable[RenderableType]:
        return () if summary.load is None else (report.workers_table(summary.load),)

    @override
    def notes(self, summary: DistributedSummary) -> Iterable[str]:
        return summary.problems

    @override
    def describe(self, visit: Visit) -> str:
        assert isinstance(visit, Window)
        return "nothing was answered" if visit.load is None else f"{visit.load.requests:,} requests"

    @override
    def failure(self, summary: DistributedSummary) -> BenchmarkError | None:
        return FailedError(" ".join(summary.problems)) if summary.problems else None


def begin_distributed(
    url: str,
    identity: RunIdentity,
    *,
    foreign_url: bool,
    load: LoadSpec,
    workers: int,
    bind: Address,
    patience_s: float,
) -> tuple[Distributed, dict[str, Candidate]]:
    """Prepare a window on the server at ``url``; ``UsageError`` if that cannot be loaded."""
    if not _is_http(url):
        raise UsageError(f"invalid URL={url or '(empty)'}: must be http://NAME[:PORT][/PREFIX].")
    require_consent(urlsplit(url).hostname or "", url=url, foreign_url=foreign_url)
    run = DistributedRun(
        **run_fields(identity, runtime=Runtime.PROCESS, rounds=1),
        url=url,
        workers=workers,
        setup=Setup(
            size=Size(),
            server_cores=[],
            generator_cores=sorted(os.sched_getaffinity(0)),
            load_path="the network from the workers",
            load=load,
        ),
    )
    return Distributed(run, bind=bind, patience_s=patience_s), {}


def _is_http(url: str) -> bool:
    """Return whether a URL is one of plain HTTP, with a possible host name and port."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is no number, a name too long for a host
        return False


def follow(master: Address, workers: int, patience_s: float, messages: Console) -> None:
    """Join ``master`` with worker processes once it listens, and end when it does; ``FailedError`` if it never does."""
    messages.print(f"joining {master}")
    deadline_s = time.monotonic() + patience_s
    while not master.listens():
        if time.monotonic() > deadline_s:
            raise FailedError(f"nothing listened at MASTER={master} within {patience_s:g} s. Run make master there.")
        time.sleep(LOOK_EVERY_S)
    line = [*LOCUST, "--worker", f"--master-host={master.host}", f"--master-port={master.port}"]
    line += [f"--processes={workers}", "--exit-code-on-error=0"]
    with temporary_folder("worker") as folder, isolated_locust(line, folder) as locust:
        if locust.wait():
            raise GeneratorError(f"the worker ended: {locust.exit_reason()}")
    messages.print("the master has ended, and so have these workers")


def _lead(run: DistributedRun, bind: Address, patience_s: float) -> Load:
    """Return the workers' window of a new master; ``GeneratorError`` if there is none."""
    with temporary_folder("window") as folder:
        file = folder / "load.json"
        with isolated_locust(_command(run, bind, patience_s, file), folder) as locust:
            wait_for_end(locust, patience_s + longest_s(run.setup.load), name="Locust")
            if not file.exists():
                status = locust.exit_status
                raise GeneratorError(f"Locust ended with exit status {status} and no result. {_logged_error(locust)}")
        load: Load = decode(file.read_bytes(), Load, what="load", source=file.name)
        return load


def _command(run: DistributedRun, bind: Address, patience_s: float, file: Path) -> list[str]:
    load = run.setup.load
    options: dict[str, object] = {
        "master-bind-host": bind.host,
        "master-bind-port": bind.port,
        "expect-workers": run.workers,
        "expect-workers-max-wait": max(1, round(patience_s)),  # Locust takes 0 for ever
    }
    if load.rate is not None:
        options["rate"] = load.rate
    return [*window_command(run.url, load, file, options), "--master", SCENARIOS[load.scenario].__name__]


def _logged_error(locust: Program) -> str:
    """Return the error that Locust logged, or its last lines if it logged none."""
    named = re.findall(r"^.*(?:\bERROR\b|^\w*Error: ).*$", locust.output(), re.MULTILINE)
    return str(named[-1]) if named else locust.last_lines()


def build_generator(python: str, console: Console, tag: str = GENERATOR) -> str:
    """Build the image on the slim base and return its name; ``FailedError`` with the end of the log if that fails."""
    client, base = build_client(), images()["slim"].base(python)
    console.print(f"building {tag} on {base}")
    with temporary_folder("generator") as folder:
        write_context(folder / "context")
        line = [client, "build", "--progress=plain", f"--tag={tag}", f"--build-arg=BASE={base}"]
        line += [*proxy_arguments(), *secret_arguments(folder), str(folder / "context")]
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=build_environment(), check=False
        )
    if done.returncode:
        raise FailedError(f"{tag} was not built: {last_lines(done.stderr, 5)}")
    return tag


def write_context(folder: Path, *, root: Path = ROOT) -> None:
    """Fill ``folder`` with what the image needs: the harness, its lock, its Dockerfile."""
    for name in _FOLDERS:
        shutil.copytree(root / name, folder / name, ignore=_LEFT_OUT)
    shutil.copy(root / "requirements.lock", folder)
    shutil.copy(root / "docker" / "generator.Dockerfile", folder / "Dockerfile")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # one mode, whatever the umask: layers are keyed by it
