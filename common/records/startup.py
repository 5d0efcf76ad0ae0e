"""What ``make startup`` writes down: starts of fresh servers phase by phase, pulls of images over links."""

from datetime import datetime
from typing import Annotated

from msgspec import Struct

from common.records.run import Cell, Machine
from common.records.schema import SCHEMA_VERSION, Count, Seconds, says
from common.records.summary import Interval, Verdict


class Cost(Struct, frozen=True, kw_only=True):
    """What a program took that ran to its end, the median of several times."""

    wall_s: Seconds
    cpu_s: Seconds


class StartCell(Struct, frozen=True, kw_only=True):
    """What is started, at which size, with which page cache."""

    name: Annotated[str, says("Unique in its run.")]
    stack: Cell
    vcpu: Annotated[float, says("vCPUs given to the server.")]
    cache: Annotated[str, says("Page cache of the image's files before the start: warm or cold.")]


class PullCell(Struct, frozen=True, kw_only=True):
    """What is pulled, over which link."""

    name: Annotated[str, says("Unique in its run.")]
    image: Annotated[str, says("Tag of the image.")]
    link: Annotated[str, says("Bandwidth asked for, as tc writes it; full where the link is not shaped.")]


class ProbeRun(Struct, frozen=True, kw_only=True):
    """What every run of a probe says of itself before it begins."""

    schema_version: Annotated[int, says("Version of these records.")] = SCHEMA_VERSION
    id: Annotated[str, says("Names the results folder.")]
    started_at: Annotated[datetime, says("UTC.")]
    revision: Annotated[str | None, says("Commit of this project, with +dirty where files had changed.")]
    command_line: Annotated[list[str], says("How the run was called.")]
    seed: Annotated[int, says("Seed of the order of cells within rounds.")]
    rounds: Annotated[Count, says("Complete rounds planned.")]
    runtime: Annotated[str, says("process or docker.")]
    machine: Machine


class StartupRun(ProbeRun, frozen=True, kw_only=True):
    """One ``make startup`` (``run.json``), written before its first start."""

    cold_by: Annotated[str | None, says("How the page cache was made cold; null where it was not.")]
    cells: list[StartCell]
    pulls: list[PullCell]


class Start(Struct, frozen=True, kw_only=True):
    """One fresh server's start (a line of ``starts.jsonl``). The phases follow each other without a gap."""

    run: Annotated[str, says("The run's id.")]
    round: Annotated[Count, says("Round, from 1.")]
    position: Annotated[Count, says("Place in the round's order, from 1.")]
    cell: Annotated[str, says("The cell's name.")]
    started_at: Annotated[datetime, says("UTC.")]
    create_s: Annotated[Seconds | None, says("The engine's call that creates the container; null without one.")] = None
    start_s: Annotated[Seconds | None, says("The engine's call that starts it; null without one.")] = None
    bind_s: Annotated[Seconds | None, says("From there until a socket is seen to listen on the port.")] = None
    answer_s: Annotated[Seconds | None, says("From there until the first answer with 200 has arrived.")] = None
    cpu_s: Annotated[Seconds | None, says("CPU time of the server's group or tree until then.")] = None
    disk_read_bytes: Annotated[
        Count | None, says("What its processes had read from the disk: shows cold from warm.")
    ] = None
    interpreter: Annotated[Cost | None, says("python3 -c pass, beside a fresh server of the same image and size.")] = (
        None
    )
    app_import: Annotated[Cost | None, says("python3 -c 'import app' less the interpreter, measured likewise.")] = None
    error: Annotated[str | None, says("Why there was no answer.")] = None

    @property
    def total_s(self) -> float | None:
        """From the first call to the first answer."""
        if self.bind_s is None or self.answer_s is None:
            return None
        return (self.create_s or 0.0) + (self.start_s or 0.0) + self.bind_s + self.answer_s


class Pull(Struct, frozen=True, kw_only=True):
    """One pull of an image into an engine that has none of its layers (a line of ``pulls.jsonl``)."""

    run: Annotated[str, says("The run's id.")]
    round: Annotated[Count, says("Round, from 1.")]
    position: Annotated[Count, says("Place in the round's order, from 1.")]
    cell: Annotated[str, says("The cell's name.")]
    started_at: Annotated[datetime, says("UTC.")]
    compressed_bytes: Annotated[Count | None, says("Sum of the layers in the registry's manifest.")] = None
    layers: Annotated[Count | None, says("Layers in the manifest.")] = None
    download_s: Annotated[Seconds | None, says("Until the last layer was downloaded.")] = None
    total_s: Annotated[Seconds | None, says("Until the last layer was unpacked.")] = None
    link_seen_bps: Annotated[float | None, says("Bits per second that a plain transfer over the link reached.")] = None
    error: Annotated[str | None, says("Why the image could not be pulled.")] = None


class StartRow(Struct, frozen=True, kw_only=True):
    """A cell's starts in one row."""

    cell: Annotated[str, says("The cell's name.")]
    total_s: Annotated[Interval | None, says("From the first call to the first answer.")]
    create_s: Annotated[float | None, says("Mean.")]
    start_s: Annotated[float | None, says("Mean.")]
    bind_s: Annotated[float | None, says("Mean.")]
    answer_s: Annotated[float | None, says("Mean.")]
    cpu_s: Annotated[Interval | None, says("CPU time until the first answer.")]
    interpreter_cpu_s: Annotated[Interval | None, says("Of which the interpreter's start.")]
    app_import_cpu_s: Annotated[Interval | None, says("Of which the import of the app and its framework.")]
    disk_read_bytes: Annotated[float | None, says("Mean.")]
    verdict: Verdict
    doubts: Annotated[dict[str, str], says("Every verdict that applies, each with what was seen and what to do.")]


class PullRow(Struct, frozen=True, kw_only=True):
    """A cell's pulls in one row."""

    cell: Annotated[str, says("The cell's name.")]
    compressed_bytes: Annotated[Count | None, says("Sum of the layers in the registry's manifest.")]
    layers: Annotated[Count | None, says("Layers in the manifest.")]
    download_s: Annotated[Interval | None, says("Until the last layer was downloaded.")]
    total_s: Annotated[Interval | None, says("Until the last layer was unpacked.")]
    verdict: Verdict
    doubts: Annotated[dict[str, str], says("Every verdict that applies, each with what was seen and what to do.")]


class PullCurve(Struct, frozen=True, kw_only=True):
    """A straight line through the pulls over one link: pull time against compressed size, by least squares."""

    link: Annotated[str, says("Bandwidth asked for.")]
    link_seen_bps: Annotated[float | None, says("Bits per second that a plain transfer over the link reached.")]
    fixed_s: Annotated[float, says("What a pull takes whatever the size.")]
    per_100_mb_s: Annotated[float, says("What 100 MB of compressed layers add.")]
    n: Annotated[Count, says("Pulls it stands on.")]


class StartupSummary(Struct, frozen=True, kw_only=True):
    """What a run's starts and pulls amount to (``summary.json``)."""

    schema_version: Annotated[int, says("Version of these records.")] = SCHEMA_VERSION
    run: Annotated[str, says("The run's id.")]
    starts: list[StartRow]
    pulls: list[PullRow]
    curves: list[PullCurve]
