"""Recorded runs give the summaries that they gave when they were recorded, byte for byte."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from common.project import ROOT
from common.records.memory import Limit, Memory, MemoryRun
from common.records.startup import Start, StartupRun
from loadtests.analysis.dropping import ROUNDS, pairs_of
from loadtests.analysis.summary import summarise
from loadtests.memory.summary import summarise as summarise_memory
from loadtests.runs.results import Results
from loadtests.startup.summary import summarise as summarise_startup

GOLDEN = ROOT / "tests" / "golden" / "schema-2"
LOADED = {folder: folder / "summary.json" for folder in (*GOLDEN.glob("loadtest-*"), GOLDEN / "compare")}
PUBLISHED = {
    folder: GOLDEN / f"published-{folder.name}.json" for folder in (ROOT / "loadtests" / "published").iterdir()
}
"""Without the canaries of their runs, which were not kept."""


def _as_written(summary: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(summary)) + b"\n"


@pytest.mark.parametrize(("folder", "summary_file"), [*LOADED.items(), *PUBLISHED.items()], ids=lambda path: path.name)
def test_load_tests(folder: Path, summary_file: Path) -> None:
    results = Results(folder=folder)
    run, windows = results.run(), results.windows()
    summary = summarise(run, windows, results.canaries())
    if run.design != ROUNDS:
        summary = replace(summary, pairs=list(pairs_of(run, windows)))
    assert _as_written(summary) == summary_file.read_bytes()


def test_startup() -> None:
    folder = GOLDEN / "startup"
    run = msgspec.json.decode((folder / "run.json").read_bytes(), type=StartupRun)
    starts = msgspec.json.Decoder(Start).decode_lines((folder / "starts.jsonl").read_bytes())
    assert _as_written(summarise_startup(run, starts, [])) == (folder / "summary.json").read_bytes()


def test_memory() -> None:
    folder = GOLDEN / "memory"
    run = msgspec.json.decode((folder / "run.json").read_bytes(), type=MemoryRun)
    servers = msgspec.json.Decoder(Memory).decode_lines((folder / "memory.jsonl").read_bytes())
    limits = msgspec.json.Decoder(Limit).decode_lines((folder / "limits.jsonl").read_bytes())
    assert _as_written(summarise_memory(run, servers, limits)) == (folder / "summary.json").read_bytes()
