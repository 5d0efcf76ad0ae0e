"""From advice on numbers of workers to sentences. Pure."""

from collections.abc import Iterator, Sequence

from common.records.latency import WorkerAdvice, WorkerChoice
from loadtests.reports.formatting import MB, counted, with_bounds


def sentences(advice: Sequence[WorkerAdvice]) -> Iterator[str]:
    """Yield each recommendation with its evidence."""
    for one in advice:
        others = "; ".join(_choice(other) for other in one.others)
        warning = "" if one.firm else " Not firm: some of these numbers are doubtful."
        advice_text = f"{one.stack} at {one.vcpu:g} vCPU: use {counted(one.workers, 'worker')}"
        yield f"{advice_text}. Others, relative to that: {others}.{warning}"


def _choice(one: WorkerChoice) -> str:
    parts = [
        f"{counted(one.workers, 'worker')}: capacity x {with_bounds(one.throughput_ratio, digits=2)}",
        f"p99 x {with_bounds(one.p99_ratio, digits=2)}",
        "" if one.memory_difference_bytes is None else f"{one.memory_difference_bytes / MB:+.1f} MB",
    ]
    return ", ".join(filter(None, parts))
