"""Runs of Fargate task starts, for tests."""

from collections.abc import Mapping
from typing import Any

from common.catalog.sizes import Runtime, Size, TaskArchitecture
from loadtests.experiments.fargate.records import FargateCell, FargateRun, TaskStart
from tests.support import records

SIZE = Size(vcpu=1, memory_bytes=2 * 1024**3)
CELLS = ("a", "b")
TOTALS_S: Mapping[str, Mapping[int, float]] = {"a": {1: 10.0, 2: 30.0, 3: 20.0}, "b": {1: 12.0, 2: 32.5}}
"""Each cell's seconds to the first 200, by round."""


def fargate_run(name: str = "image-size", **changes: Any) -> FargateRun:  # noqa: ANN401
    """Return a run of two cells; ``changes`` are fields of it."""
    fields: dict[str, Any] = {
        "runtime": Runtime.FARGATE,
        "rounds": 3,
        "name": name,
        "region": None,
        "architecture": TaskArchitecture.X86_64,
        "public": True,
        "prices": "never",
        "cells": [
            FargateCell(name=one, stack=records.cell(one), image=f"registry.test/{one}:1", size=SIZE, subnets="s")
            for one in CELLS
        ],
    }
    return FargateRun(**records.run_head(**fields | changes))


def task_start(cell: str, number: int, **fields: Any) -> TaskStart:  # noqa: ANN401
    """Return the start of a task that cost a cent."""
    return TaskStart(
        run="x",
        round=number,
        position=1,
        cell=cell,
        started_at=records.NOON,
        **{"dollars": 0.01} | fields,
    )


def task_starts(**fields: Any) -> list[TaskStart]:  # noqa: ANN401
    """Return the starts of ``TOTALS_S``, and one that failed."""
    starts = [
        task_start(cell, number, total_s=total_s, **fields)
        for cell, by_round in TOTALS_S.items()
        for number, total_s in by_round.items()
    ]
    return [*starts, task_start("b", 3, error="no room", dollars=None)]
