"""The records of ``make bench-generator``."""

from typing import Annotated

from msgspec import Struct

from common.records.run import Run
from common.records.schema import Count, RunSummary, Seconds, Visit, says
from common.records.summary import Interval


class GeneratorCell(Struct, frozen=True, kw_only=True):
    """A load generator with a number of connections, on a server that keeps or closes them."""

    generator: Annotated[str, says("Name of the load generator.")]
    connections: Annotated[Count, says("Connections.")]
    closing: Annotated[bool, says("Whether the server closes each connection after one response.")]

    @property
    def group(self) -> str:
        """The group within which it is compared."""
        return f"{'closing' if self.closing else 'keep-alive'}, {self.connections}"

    @property
    def name(self) -> str:
        """Unique in its run."""
        return f"{self.group}, {self.generator}"


class GeneratorRun(Run, frozen=True, kw_only=True, tag="bench-generator"):
    """The CPU cost of a request of each load generator, against a trivial server."""

    server: Annotated[str, says("The trivial server: nginx, or one in Python.")]
    window_s: Annotated[Seconds, says("Length of each window.")]
    cells: list[GeneratorCell]


class GeneratorVisit(Visit, frozen=True, kw_only=True, tag="generator"):
    """One generator's window; the server counted the requests."""

    requests: Annotated[Count, says("Requests that the server answered.")] = 0
    generator_cpu_s: Annotated[Seconds, says("CPU time of the generator's process tree.")] = 0.0
    duration_s: Annotated[Seconds, says("Length of the window.")] = 0.0

    @property
    def requests_per_cpu_s(self) -> float | None:
        """Requests per CPU-second of the generator; ``None`` where it sent nothing."""
        return self.requests / self.generator_cpu_s if self.requests and self.generator_cpu_s else None


class GeneratorRow(Struct, frozen=True, kw_only=True):
    """A cell's windows in one row; ratios are paired within rounds."""

    cell: GeneratorCell
    requests_per_cpu_s: Annotated[Interval | None, says("Requests per CPU-second of the generator.")]
    to_wrk: Annotated[Interval | None, says("Ratio to wrk's, same server and connections.")]
    to_fast_http_user: Annotated[Interval | None, says("Ratio to Locust's FastHttpUser's.")]
    core_share: Annotated[float | None, says("Share of a core that it used.")]


class GeneratorSummary(RunSummary, frozen=True, kw_only=True):
    """The cost of a run's generators (``summary.json``)."""

    rows: list[GeneratorRow]
