"""Runs of the load generator on trial, for tests."""

from collections.abc import Sequence
from typing import Any

from common.records.load import Setup
from common.records.run import Cell, CrosscheckRun
from loadtests.experiments.bench_generator.records import GeneratorCell, GeneratorRun, GeneratorVisit
from loadtests.experiments.distributed.records import DistributedRun
from tests.support import records

CELLS = tuple(GeneratorCell(generator=name, connections=16, closing=False) for name in ("ours", "wrk", "FastHttpUser"))
"""Three generators on the same server."""


def generator_run(cells: Sequence[GeneratorCell] = CELLS) -> GeneratorRun:
    """Return a run of the cells."""
    return GeneratorRun(**records.run_head(), server="nginx", window_s=1.0, cells=list(cells))


def generator_visit(cell: GeneratorCell, number: int, requests: int, **changes: Any) -> GeneratorVisit:  # noqa: ANN401
    """Return a window in which a generator sent so many requests in half a second of CPU time."""
    fields: dict[str, Any] = {"requests": requests, "generator_cpu_s": 0.5, "duration_s": 1.0}
    return GeneratorVisit(
        run="x", round=number, position=1, cell=cell.name, started_at=records.NOON, **fields | changes
    )


def crosscheck_run(cells: Sequence[Cell], **changes: Any) -> CrosscheckRun:  # noqa: ANN401
    """Return a run of two tools; ``changes`` as for ``records.run``."""
    plain = records.run(list(cells), **changes)
    return CrosscheckRun(**{name: getattr(plain, name) for name in plain.__struct_fields__})


def distributed_run(setup: Setup) -> DistributedRun:
    """Return a run of two workers."""
    return DistributedRun(**records.run_head(), url="http://127.0.0.1:8000", workers=2, setup=setup)
