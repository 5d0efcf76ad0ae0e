"""A finished run's bill from the results folder: the run, image sizes, memory needed, latencies under open loops."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from common.catalog.prices import load_prices
from common.records.cost import Bill
from common.records.footprint import ImageSize, Sizes
from common.records.run import Cell, Run
from common.records.schema import decode
from common.records.summary import CellSummary
from loadtests.memory.needs import memory_needs
from loadtests.money import bill_report
from loadtests.money.amounts import LatencyPoint
from loadtests.money.bill import SOUND, Facts, Question, make_bill
from loadtests.runs.publication import finished_runs, read_run
from loadtests.runs.results import RESULTS
from loadtests.sizes.weighing import FILE

FILE_OF_BILL = "money.json"


def print_bill(folder: Path, question: Question, console: Console) -> Bill:
    """The bill of the finished run in a folder, printed, and written beside it."""
    records = read_run(folder)
    run, _ = records
    prices = load_prices()
    bill = make_bill(records, gather(run, RESULTS), prices, question, now=datetime.now(UTC))
    for table in bill_report.tables(bill):
        console.print(table)
    for note in bill_report.notes(bill, run, prices):
        console.print(f"  {note}", soft_wrap=True, markup=False)
    (folder / FILE_OF_BILL).write_bytes(msgspec.json.format(msgspec.json.encode(bill)) + b"\n")
    console.print(f"written to {folder / FILE_OF_BILL}")
    return bill


def gather(run: Run, results: Path) -> dict[str, Facts]:
    """The facts about each cell, by name. They are of the same stack, image and lock; of several sizes the latest."""
    sizes = {_key(one): one.compressed_bytes for one in _images(results)}
    points = list(_open_loops(results))
    needs = list(memory_needs(results))
    return {
        cell.name: Facts(
            compressed_bytes=sizes.get(_key(cell)),
            needed_bytes={vcpu: needed for stack, vcpu, needed in needs if _key(stack) == _key(cell)},
            latencies=_by_vcpu(cell, points),
        )
        for cell in run.cells
    }


def _key(one: Cell | ImageSize) -> tuple[str, str]:
    return one.name, one.lock_sha256


def _images(results: Path) -> Iterator[ImageSize]:
    for file in sorted(results.glob(f"*/{FILE}")):
        yield from decode(file.read_bytes(), Sizes, source=str(file)).images


def _open_loops(results: Path) -> Iterator[tuple[Cell, float, CellSummary]]:
    """Every valid cell of every finished run under an open loop, with its vCPUs and its row."""
    for folder in finished_runs(results):
        run, summary = read_run(folder)
        if run.rate is not None:
            cells = {cell.name: cell for cell in run.cells}
            valid = (row for row in summary.cells if row.verdict in SOUND)
            yield from ((cells[row.cell], run.vcpu, row) for row in valid)


def _by_vcpu(cell: Cell, points: list[tuple[Cell, float, CellSummary]]) -> Mapping[float, list[LatencyPoint]]:
    found: dict[float, list[LatencyPoint]] = {}
    for other, vcpu, row in points:
        if _key(other) == _key(cell) and row.p99_s is not None and row.server_utilisation is not None:
            p99_s = row.p99_s.estimate if row.p99_s.high is None else row.p99_s.high
            found.setdefault(vcpu, []).append(LatencyPoint(utilisation=row.server_utilisation, p99_s=p99_s))
    return found
