"""The data of a page as files that the page itself holds: JSON, CSV, the JSON Schema and the manifests. Pure."""

import base64
import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from common.records.figure import Figure
from common.records.window import Window
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.page.columns import COLUMNS
from loadtests.page.model import Page, StackRow

LARGE_BYTES = 100_000
SPREADSHEET_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""The characters that begin a formula in a spreadsheet."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file that the page offers."""

    name: str
    about: str
    address: str


def downloads(page: Page) -> list[Download]:
    """Return the files of a page."""
    figures, runs = page.sources.newest_figures, [one.run for one in page.sources.runs]
    return [
        _download("figures.json", "application/json", "every figure with its interval, verdict, run and date",
                  msgspec.json.encode(figures)),
        _download("table.csv", "text/csv", "the table as it is here", table_csv(page.rows).encode()),
        _download("figures.schema.json", "application/json", "the JSON Schema of figures.json",
                  msgspec.json.encode(msgspec.json.schema(list[Figure]))),
        _download("manifests.json", "application/json", "what was measured, on which machine, how: each run.json",
                  msgspec.json.encode(runs)),
        _download("windows.csv", "text/csv", "one line for each window of the load test that ranks",
                  _windows_csv(page).encode()),
    ]  # fmt: skip


def _download(name: str, kind: str, about: str, content: bytes) -> Download:
    """Return a file as an address that holds it; a large one is compressed, which its name says."""
    if len(content) > LARGE_BYTES:
        name, kind, content = f"{name}.gz", "application/gzip", gzip.compress(content, mtime=0)
    return Download(name=name, about=about, address=f"data:{kind};base64,{base64.b64encode(content).decode()}")


def table_csv(rows: Sequence[StackRow]) -> str:
    """Return the table with each figure's estimate and bounds in columns of their own."""
    headings = ["stack", "framework", "server", "image", "runtime", "vcpu", "version", "interface", "keep_alive",
                "rank_first", "rank_last", "verdict"]  # fmt: skip
    every = [*headings, *(f"{column.key}{end}" for column in COLUMNS for end in ("", "_low", "_high"))]
    return _csv([every, *(_line(row) for row in rows)])


def _line(row: StackRow) -> list[object]:
    one, rank = row.subject, row.rank
    found: list[object] = [
        *(one.name, one.framework, one.server, one.image, one.runtime, row.vcpu, row.version, row.interface),
        *(row.keep_alive, rank and rank.first, rank and rank.last, row.verdict),
    ]
    for column in COLUMNS:
        value = row.values.get(column.key)
        found += [None] * 3 if value is None else [value.estimate, value.low, value.high]
    return found


def _windows_csv(page: Page) -> str:
    headings = ["cell", "round", "position", "started_at", "requests", "duration_s", "server_cpu_s",
                "requests_per_cpu_s", "p50_s", "p99_s", "error"]  # fmt: skip
    return _csv([headings, *_window_lines(page)])


def _window_lines(page: Page) -> Iterator[list[object]]:
    for one in page.test.visits if page.test else ():
        if isinstance(one, Window):
            load = one.load
            latency = load.latency_s if load else None
            yield [one.cell, one.round, one.position, one.started_at.isoformat(), load and load.requests,
                   load and load.duration_s, load and load.server_cpu_s, requests_per_cpu_s(load),
                   latency and latency.p50, latency and latency.p99, one.error]  # fmt: skip


def _csv(lines: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(one) for one in line] for line in lines)
    return text.getvalue()


def _cell(value: object) -> object:
    """Return a value such that no spreadsheet takes a name for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(SPREADSHEET_FORMULA) else value
