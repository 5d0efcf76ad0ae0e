"""The contents of the files in a run folder: ``run.json``, the lines of ``visits.jsonl``, ``summary.json``."""

from collections.abc import Mapping
from typing import Any

import msgspec

from common.records.experiments.fargate import FargateRun, FargateSummary, TaskStart
from common.records.experiments.footprint import FootprintRun, FootprintSummary, ImageVisit, LibrariesVisit
from common.records.experiments.generator import (
    CrosscheckSummary,
    DistributedRun,
    DistributedSummary,
    GeneratorRun,
    GeneratorSummary,
    GeneratorVisit,
)
from common.records.experiments.latency import CausesRun, LatencyRun, LatencySummary, TrafficVisit, WorkersRun
from common.records.experiments.memory import LimitVisit, MemoryRun, MemorySummary, MemoryVisit
from common.records.experiments.startup import Pull, Start, StartupRun, StartupSummary
from common.records.run import CompareRun, CrosscheckRun, LoadRun, Run
from common.records.schema import decode
from common.records.summary import Summary
from common.records.visit import Visit
from common.records.window import Canary, Window

AnyRun = (
    LoadRun
    | CompareRun
    | CrosscheckRun
    | LatencyRun
    | WorkersRun
    | CausesRun
    | StartupRun
    | MemoryRun
    | FootprintRun
    | FargateRun
    | GeneratorRun
    | DistributedRun
)
"""Every kind of ``run.json``, told apart by its field ``experiment``."""
AnyVisit = (
    Window
    | Canary
    | TrafficVisit
    | Start
    | Pull
    | MemoryVisit
    | LimitVisit
    | LibrariesVisit
    | ImageVisit
    | TaskStart
    | GeneratorVisit
)
"""Every kind of line in ``visits.jsonl``, told apart by its field ``kind``."""
SUMMARIES: Mapping[str, type[msgspec.Struct]] = {
    "loadtest and compare": Summary,
    "latency, workers and causes": LatencySummary,
    "startup": StartupSummary,
    "memory": MemorySummary,
    "sizes": FootprintSummary,
    "fargate": FargateSummary,
    "bench-generator": GeneratorSummary,
    "crosscheck": CrosscheckSummary,
    "master": DistributedSummary,
}
"""Every kind of ``summary.json`` by the experiments that end in it."""

_VISITS: msgspec.json.Decoder[Any] = msgspec.json.Decoder(AnyVisit)


def decode_run(text: bytes, *, source: str) -> Run:
    """Return the manifest in ``text``; ``UsageError`` names ``source`` and what is wrong."""
    run: Run = decode(text, AnyRun, what="run", source=source)
    return run


def decode_visit(line: bytes) -> Visit:
    """Return the visit in a line; ``msgspec.DecodeError`` where it is damaged."""
    visit: Visit = _VISITS.decode(line)
    return visit
