"""The records of ``make crosscheck``."""

from typing import Annotated

from msgspec import Struct

from common.records.schema import RunSummary, says
from common.records.summary import Interval


class ToolRow(Struct, frozen=True, kw_only=True):
    """The results of one tool for a stack."""

    cell: Annotated[str, says("The cell's name: the stack's and the tool's.")]
    requests_per_cpu_s: Annotated[Interval | None, says("Requests per CPU-second of the server.")]
    throughput_rps: Annotated[Interval | None, says("Requests per second of wall time.")]
    server_utilisation: Annotated[float | None, says("Server CPU time as a share of its vCPUs' time.")]
    generator_utilisation: Annotated[
        float | None, says("Generator CPU time as a share of the time of the cores that it can use.")
    ]


class CrosscheckSummary(RunSummary, frozen=True, kw_only=True):
    """Whether two tools agree (``summary.json``); ratios are our tool's to wrk's, paired within rounds."""

    rows: list[ToolRow]
    requests_per_cpu_s_ratio: Annotated[Interval | None, says("Of requests per CPU-second of the server.")]
    throughput_ratio: Annotated[Interval | None, says("Of requests per second of wall time.")]
    failures: Annotated[list[str], says("Windows that had failures, each with what was seen.")]
