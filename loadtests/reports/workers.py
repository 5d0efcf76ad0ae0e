"""Advice on the number of workers, in sentences. Pure."""

from collections.abc import Iterator, Sequence

from common.records.latency import WorkerAdvice, WorkerChoice
from loadtests.reports.formatting import MB, counted, with_bounds


def sentences(advice: Sequence[WorkerAdvice]) -> Iterator[str]:
    """Yield each recommendation with its evidence."""
    for row in advice:
        others = "; ".join(_choice(other) for other in row.others)
        warning = "" if row.firm else " Not firm: some of these numbers are doubtful."
        advice_text = f"{row.stack} at {row.vcpu:g} vCPU: use {counted(row.workers, 'worker')}"
        yield f"{advice_text}. Others, relative to that: {others}.{warning}"


def _choice(choice: WorkerChoice) -> str:
    parts = [
        f"{counted(choice.workers, 'worker')}: capacity x {with_bounds(choice.throughput_ratio, digits=2)}",
        f"p99 x {with_bounds(choice.p99_ratio, digits=2)}",
        "" if choice.memory_difference_bytes is None else f"{choice.memory_difference_bytes / MB:+.1f} MB",
    ]
    return ", ".join(filter(None, parts))
