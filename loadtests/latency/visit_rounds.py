"""Rounds of visits: every point once a round on a fresh server, in a newly shuffled order; each on disk at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from rich.console import Console

from common.conformance.candidates import conform_all, require_some_conforming
from common.console import live_progress
from common.errors import FailedError, GeneratorBoundError
from common.host.run_lock import hold_run_lock
from common.records.latency import LatencyRun, LatencySummary, Point, Visit
from common.records.summary import Verdict
from common.runtimes.candidates import Candidate
from loadtests.generator.ceiling import ceiling
from loadtests.latency import report as latency_report
from loadtests.latency.cause_ratios import sentences as ratio_sentences
from loadtests.latency.visits import Servable, visit
from loadtests.latency.worker_advice import sentences
from loadtests.runs.folder import append, write
from loadtests.runs.manifest import Identity, Settings, manifest
from loadtests.runs.plan import Step, steps
from loadtests.runs.results import RESULTS

FAILED = frozenset({Verdict.NONCONFORMING, Verdict.NOT_MEASURED, Verdict.SERVER_DIED, Verdict.WRONG_ANSWERS})
Summarise = Callable[[LatencyRun, Sequence[Visit]], LatencySummary]
DESIGN = "visits"
OVERHEAD_S = 3.0
"""What a window takes beside itself, and a server beside its windows, roughly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A run's manifest without its points, and what can be visited, by name of its cell."""

    record: LatencyRun
    servables: Mapping[str, Servable]


@contextmanager
def begun(verb: str, seed: int) -> Iterator[Identity]:
    """What a run of this verb is called; no other run measures on this machine within the block."""
    plain = Identity.of(seed)
    identity = replace(plain, id=f"{verb}-{plain.id}")
    with hold_run_lock(identity.id):
        yield identity


def prepare_run(
    verb: str, settings: Settings, identity: Identity, candidates: Sequence[Candidate], console: Console
) -> Prepared:
    """Hold candidates to the contract; ``FailedError`` where none conforms. The generator's ceiling is measured too."""
    outcomes = conform_all(candidates, console)
    made = [one for one in candidates if one.name in outcomes]
    run = manifest(settings, made, outcomes, identity, design=DESIGN)
    good = require_some_conforming(made, outcomes)
    run = msgspec.structs.replace(run, ceiling=ceiling(run))
    return Prepared(record=LatencyRun(verb=verb, run=run, points=[]), servables=good)


def run_visits(
    record: LatencyRun,
    servables: Mapping[str, Servable],
    summarise: Summarise,
    out: Path | None,
    console: Console,
) -> None:
    """Make and write every visit, print and write what came of them.

    ``FailedError`` or ``GeneratorBoundError`` once all is written where numbers are not valid for that.
    """
    folder = out or RESULTS / record.run.id
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "run.json", record)
    visits: list[Visit] = []
    try:
        _rounds(record, servables, folder, visits, console)
    finally:
        summary = summarise(record, visits)
        write(folder / "summary.json", summary)
        console.print(latency_report.tables(record, summary))
        for note in latency_report.notes(record, summary):
            console.print(f"  {note}", soft_wrap=True, markup=False)
        for sentence in (*sentences(summary.advice), *ratio_sentences(record, summary.ratios)):
            console.print(sentence, soft_wrap=True, markup=False)
        console.print(f"written to {folder}")
    _refuse_invalid(summary)


def _rounds(
    record: LatencyRun, servables: Mapping[str, Servable], folder: Path, visits: list[Visit], console: Console
) -> None:
    points = {point.name: point for point in record.points if point.missing is None and point.stack in servables}
    planned = list(steps(tuple(points), record.run.rounds, record.run.seed))
    console.print(f"{len(planned)} servers, about {_minutes(tuple(points.values()), record.run.rounds):.0f} minutes")
    with live_progress(record.verb, len(planned), console) as display:
        for step in planned:
            display.start(f"round {step.round}/{record.run.rounds} {step.cell}")
            one = visit(record, step, points[step.cell], servables[points[step.cell].stack])
            visits.append(one)
            append(folder / "visits.jsonl", one)
            display.done(_line(record, step, one))


def _minutes(points: Sequence[Point], rounds: int) -> float:
    windows = [OVERHEAD_S + (one.window_s or 5.0) for point in points for one in point.traffic]
    return rounds * (sum(windows) + OVERHEAD_S * len(points)) / 60


def _line(record: LatencyRun, step: Step, one: Visit) -> str:
    medians = [
        f"{name} {load.latency_s.p50 * 1000:.2f} ms" for name, load in one.loads.items() if load.latency_s is not None
    ]
    return f"round {step.round}/{record.run.rounds} {step.cell}: {one.error or ', '.join(medians)}"


def _refuse_invalid(summary: LatencySummary) -> None:
    if bad := sorted({row.point for row in summary.rows if row.verdict in FAILED}):
        raise FailedError(f"{len(bad)} points have no valid number: {', '.join(bad)}.")
    if bound := sorted({row.point for row in summary.rows if Verdict.GENERATOR_BOUND in row.doubts}):
        raise GeneratorBoundError(f"the generator was the limit for {', '.join(bound)}: those numbers may be its own.")
