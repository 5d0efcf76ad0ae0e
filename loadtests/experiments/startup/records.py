"""The records of ``make startup``: fresh servers and pulls of images."""

from enum import StrEnum
from typing import Annotated

from msgspec import Struct

from common.catalog.sizes import Size
from common.records.run import Cell, Run
from common.records.schema import Count, RunSummary, Seconds, Visit, says
from common.records.summary import Interval, Verdict


class PageCache(StrEnum):
    """Whether the files of an image are in the page cache before a start."""

    WARM = "warm"
    COLD = "cold"


class Cost(Struct, frozen=True, kw_only=True):
    """The time of a program that ran to completion, the median of several repetitions."""

    wall_s: Seconds
    cpu_s: Seconds


class StartCell(Struct, frozen=True, kw_only=True):
    """A stack that is started, with its size and the state of its page cache."""

    name: Annotated[str, says("Name, unique in its run.")]
    stack: Cell
    size: Annotated[Size, says("vCPUs and memory given to the server.")]
    cache: Annotated[PageCache, says("State of the image's files in the page cache before the start.")]


class PullCell(Struct, frozen=True, kw_only=True):
    """An image that is pulled, and the link over which it is pulled."""

    name: Annotated[str, says("Name, unique in its run.")]
    image: Annotated[str, says("Tag of the image.")]
    link: Annotated[str, says("Requested bandwidth, as tc writes it; full if the link is not shaped.")]


class StartupRun(Run, frozen=True, kw_only=True, tag="startup"):
    """Starts of fresh servers by phase, and pulls of their images."""

    cold_by: Annotated[str | None, says("Method by which the page cache was dropped; null if it was not.")]
    cells: list[StartCell]
    pulls: list[PullCell]


class Start(Visit, frozen=True, kw_only=True, tag="start"):
    """One fresh server's start. The phases follow each other without a gap."""

    create_s: Annotated[
        Seconds | None, says("Duration of the engine's call that creates the container; null without a container.")
    ] = None
    start_s: Annotated[
        Seconds | None, says("Duration of the engine's call that starts the container; null without a container.")
    ] = None
    bind_s: Annotated[Seconds | None, says("Time from the start until a socket listens on the port.")] = None
    answer_s: Annotated[Seconds | None, says("Time from then until the first response with status 200.")] = None
    cpu_s: Annotated[
        Seconds | None, says("CPU time of the server's control group or process tree until the first response.")
    ] = None
    disk_read_bytes: Annotated[
        Count | None, says("Bytes that its processes read from disk, which tells a cold page cache from a warm one.")
    ] = None
    interpreter: Annotated[
        Cost | None, says("Cost of python3 -c pass, run beside a fresh server of the same image and size.")
    ] = None
    app_import: Annotated[
        Cost | None, says("Cost of python3 -c 'import app' minus that of the interpreter, measured in the same way.")
    ] = None

    @property
    def total_s(self) -> float | None:
        """The time from the first call to the first response."""
        if self.bind_s is None or self.answer_s is None:
            return None
        return (self.create_s or 0.0) + (self.start_s or 0.0) + self.bind_s + self.answer_s


class Pull(Visit, frozen=True, kw_only=True, tag="pull"):
    """One pull of an image into an engine that has none of its layers."""

    compressed_bytes: Annotated[
        Count | None, says("Compressed size: sum of the layers in the registry's manifest.")
    ] = None
    layers: Annotated[Count | None, says("Number of layers in the manifest.")] = None
    download_s: Annotated[Seconds | None, says("Time until the last layer was downloaded.")] = None
    total_s: Annotated[Seconds | None, says("Time until the last layer was unpacked.")] = None
    link_seen_bps: Annotated[float | None, says("Bits per second that a plain transfer over the link achieved.")] = None


class StartRow(Struct, frozen=True, kw_only=True):
    """The starts of a cell."""

    cell: Annotated[str, says("The cell's name.")]
    total_s: Annotated[Interval | None, says("Time from the first call to the first response.")]
    create_s: Annotated[float | None, says("Mean over starts.")]
    start_s: Annotated[float | None, says("Mean over starts.")]
    bind_s: Annotated[float | None, says("Mean over starts.")]
    answer_s: Annotated[float | None, says("Mean over starts.")]
    cpu_s: Annotated[Interval | None, says("CPU time until the first response.")]
    interpreter_cpu_s: Annotated[Interval | None, says("CPU time of the interpreter's start, a part of cpu_s.")]
    app_import_cpu_s: Annotated[
        Interval | None, says("CPU time of importing the app and its framework, a part of cpu_s.")
    ]
    disk_read_bytes: Annotated[float | None, says("Mean over starts.")]
    verdict: Verdict
    doubts: Annotated[dict[str, str], says("Every verdict that applies, each with the observation and the remedy.")]


class PullRow(Struct, frozen=True, kw_only=True):
    """The pulls of a cell."""

    cell: Annotated[str, says("The cell's name.")]
    compressed_bytes: Annotated[Count | None, says("Compressed size: sum of the layers in the registry's manifest.")]
    layers: Annotated[Count | None, says("Number of layers in the manifest.")]
    download_s: Annotated[Interval | None, says("Time until the last layer was downloaded.")]
    total_s: Annotated[Interval | None, says("Time until the last layer was unpacked.")]
    verdict: Verdict
    doubts: Annotated[dict[str, str], says("Every verdict that applies, each with the observation and the remedy.")]


class PullCurve(Struct, frozen=True, kw_only=True):
    """A straight line through the pulls over one link: pull time against compressed size, fitted by least squares."""

    link: Annotated[str, says("Requested bandwidth.")]
    link_seen_bps: Annotated[float | None, says("Bits per second that a plain transfer over the link achieved.")]
    fixed_s: Annotated[float, says("Time of a pull that does not depend on the image's size.")]
    per_100_mb_s: Annotated[float, says("Additional time per 100 MB of compressed layers.")]
    n: Annotated[Count, says("Number of pulls behind the line.")]


class StartupSummary(RunSummary, frozen=True, kw_only=True):
    """The results of ``make startup`` (``summary.json``)."""

    starts: list[StartRow]
    pulls: list[PullRow]
    curves: list[PullCurve]
