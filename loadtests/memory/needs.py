"""The memory that stacks need, from what ``make memory`` has written."""

from collections.abc import Iterator
from pathlib import Path

from common.records.memory import MemoryRow, MemoryRun, MemorySummary
from common.records.run import Cell
from common.records.schema import decode


def memory_needs(results: Path) -> Iterator[tuple[Cell, float, int]]:
    """Stack, vCPUs and bytes of each cell of every finished ``make memory``, the latest last.

    The bytes are the smallest limit under which the load passed; where none was sought, what was held after the load.
    """
    for file in sorted(results.glob("*/memory.jsonl")):
        summary = file.with_name("summary.json")
        if summary.exists():
            run = decode(file.with_name("run.json").read_bytes(), MemoryRun, source=str(file.with_name("run.json")))
            cells = {cell.name: cell for cell in run.cells}
            for row in decode(summary.read_bytes(), MemorySummary, source=str(summary)).rows:
                if (needed := _bytes(row)) is not None:
                    yield cells[row.cell].stack, cells[row.cell].vcpu, needed


def _bytes(row: MemoryRow) -> int | None:
    if row.limit_bytes is not None or row.loaded_bytes is None:
        return row.limit_bytes
    held = row.loaded_bytes
    return round(held.estimate if held.high is None else held.high)
