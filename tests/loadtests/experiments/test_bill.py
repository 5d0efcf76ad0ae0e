"""A run's bill: every price with its interval, and for what is missing the reason."""

from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from common.catalog.prices import load_prices
from common.records.cost import Bill
from common.records.memory import MemoryCell, MemoryRow, MemoryRun, MemorySummary
from common.records.run import Run
from common.records.summary import CellSummary, Interval, Summary, Verdict
from loadtests.money import bill_report, billing
from loadtests.money.amounts import LatencyPoint
from loadtests.money.bill import Facts, Question, make_bill
from loadtests.runs.results import Results
from tests.loadtests.experiments.test_sizes import an_image, some_sizes
from tests.support.records import NOON, cell, run

GB = 1024**3
RATE = Interval(estimate=1000, low=900, high=1100, n=8)


def row(name: str, rate: Interval | None = RATE, **changes: object) -> CellSummary:
    fields: dict[str, object] = {
        "cell": name,
        "rank": 1,
        "requests_per_cpu_s": rate,
        "throughput_rps": None,
        "p50_s": None,
        "p99_s": None,
        "requests": 1,
        "errors": 0,
        "server_utilisation": 0.5,
        "generator_utilisation": 0.5,
        "verdict": Verdict.VALID,
        "doubts": {},
    }
    return msgspec.convert(fields | changes, CellSummary)


def bill(question: Question, facts: Facts | None = None, **changes: object) -> Bill:
    records = run([cell("a+b@slim", image="slim")]), Summary(run="x", cells=[row("a+b@slim", **changes)])  # type: ignore[arg-type]
    return make_bill(records, {"a+b@slim": facts or Facts()}, load_prices(), question, now=NOON)


def test_every_size_of_every_offer_has_a_price() -> None:
    made = bill(Question(utilisation=0.5))
    assert len(made.prices) == 2 * 7
    (first, *_) = made.prices
    assert (first.offer, first.vcpu, first.memory_bytes) == ("fargate-x86", 0.25, GB // 2)
    assert first.per_million.estimate == pytest.approx((0.25 * 0.04048 + 0.5 * 0.004445) / (3600 * 0.25 * 0.5) * 1000)
    assert first.capacity_rps == Interval(estimate=250, low=225, high=275, n=8)


def test_a_size_that_was_not_measured_is_marked() -> None:
    assert {one.vcpu for one in bill(Question(utilisation=0.5)).prices if not one.modelled} == {1.0}


def test_a_stack_that_needs_more_memory_is_given_the_next_size_or_none() -> None:
    made = bill(Question(utilisation=0.5), Facts(needed_bytes={0.25: 3 * GB, 0.5: 3 * GB}))
    x86 = {one.vcpu: one.memory_bytes for one in made.prices if one.offer == "fargate-x86"}
    assert 0.25 not in x86
    assert x86[0.5] == 3 * GB


def test_the_cheapest_fleet_is_chosen_by_the_lower_end_of_the_interval() -> None:
    made = bill(Question(utilisation=0.5, rate_rps=460))  # 460 > 0.5 x 900, though not > 0.5 x 1000
    assert [(one.vcpu, one.tasks) for one in made.choices] == [(0.25, 5), (0.25, 5)]


def test_a_p99_is_held_against_measured_latencies_alone() -> None:
    points = {0.5: [LatencyPoint(utilisation=0.25, p99_s=0.01), LatencyPoint(utilisation=0.5, p99_s=0.1)]}
    question = Question(utilisation=0.5, rate_rps=100, p99_s=0.02)
    (choice, _) = bill(question, Facts(latencies=points)).choices
    assert (choice.vcpu, choice.tasks, choice.missing) == (0.5, 1, None)
    strict = Question(utilisation=0.5, rate_rps=100, p99_s=0.005)
    (choice, _) = bill(strict, Facts(latencies=points)).choices
    assert choice.vcpu is None
    assert "(0.5 vCPU) holds a p99 of 5 ms" in str(choice.missing)


def test_without_measured_latencies_there_is_no_fleet_and_the_reason() -> None:
    (choice, _) = bill(Question(utilisation=0.5, rate_rps=100, p99_s=0.02)).choices
    assert (choice.tasks, choice.missing) == (None, "its latency under an open loop was not measured")


@pytest.mark.parametrize("verdict", [Verdict.VALID, Verdict.THROTTLED])
def test_a_quota_that_held_a_server_back_is_no_reason_against_its_number(verdict: Verdict) -> None:
    (choice, _) = bill(Question(utilisation=0.5, rate_rps=100), verdict=verdict).choices
    assert choice.tasks == 1


def test_an_invalid_number_has_a_price_and_no_fleet() -> None:
    made = bill(Question(utilisation=0.5, rate_rps=100), verdict=Verdict.GENERATOR_BOUND)
    assert made.prices
    assert {one.missing for one in made.choices} == {"its number is not valid: generator-bound"}


def test_what_is_missing_has_its_reason() -> None:
    made = bill(Question(utilisation=0.5), rate=None, verdict=Verdict.NOT_MEASURED)
    assert made.prices == []
    assert made.missing["a+b@slim: every price"] == "no requests per CPU-second: not-measured"
    assert "make sizes FRAMEWORK=a SERVER=b@slim IMAGE=slim" in made.missing["a+b@slim: storage"]
    assert "a+b@slim: memory needed" in made.missing


def test_storage_is_that_of_the_compressed_image() -> None:
    assert bill(Question(utilisation=0.5), Facts(compressed_bytes=GB)).storage_month == {"a+b@slim in ecr": 0.10}


def finish(results: Path, made: Run, *rows: CellSummary) -> Path:
    folder = results / made.id
    folder.mkdir()
    (folder / "windows.jsonl").touch()
    Results.create(folder, made).finish(Summary(run=made.id, cells=list(rows)))
    return folder


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(billing, "RESULTS", tmp_path)
    return tmp_path


def test_sizes_and_latencies_are_found_beside_the_run_and_of_the_same_lock(results: Path) -> None:
    mine, other = cell("a+b@slim", image="slim"), cell("a+b@slim", image="slim", lock_sha256="1" * 64)
    p99 = Interval(estimate=0.01, low=0.009, high=0.012, n=8)
    finish(results, run([mine], id="open", rate="50%", vcpu=0.5), row(mine.name, p99_s=p99, server_utilisation=0.4))
    finish(results, run([other], id="other", rate="50%", vcpu=1.0), row(mine.name, p99_s=p99))
    finish(results, run([mine], id="closed", vcpu=1.0), row(mine.name, p99_s=p99))
    (results / "sizes").mkdir()
    images = [an_image(mine.name, lock_sha256=mine.lock_sha256), an_image(mine.name, lock_sha256="1" * 64, bytes_=9)]
    (results / "sizes" / "sizes.json").write_bytes(msgspec.json.encode(some_sizes(images)))
    found = billing.gather(run([mine]), results)
    assert found[mine.name].compressed_bytes == images[0].compressed_bytes
    assert found[mine.name].latencies == {0.5: [LatencyPoint(utilisation=0.4, p99_s=0.012)]}


def _memory_row(name: str, _: float, limit: int | None, loaded: Interval | None) -> MemoryRow:
    return MemoryRow(
        cell=name,
        idle_bytes=None,
        loaded_bytes=loaded,
        idle_pss_bytes=None,
        parts_bytes=None,
        limit_bytes=limit,
        verdict=Verdict.VALID,
        doubts={},
    )


def test_memory_needed_is_the_limit_that_passed_or_what_was_held(results: Path) -> None:
    mine = cell("a+b@slim", image="slim")
    held = Interval(estimate=50.0, low=40.0, high=60.0, n=5)
    rows = [("x", 0.25, 70, held), ("y", 0.5, None, held), ("z", 1.0, None, None)]
    cells = [MemoryCell(name=name, stack=mine, vcpu=vcpu, workers=1) for name, vcpu, _, _ in rows]
    made = MemoryRun(
        id="memory",
        started_at=NOON,
        revision=None,
        command_line=[],
        seed=1,
        rounds=5,
        runtime="docker",
        machine=run([]).machine,
        requests=1000,
        connections=16,
        limits=True,
        cells=cells,
    )
    summary = MemorySummary(run="memory", rows=[_memory_row(*row) for row in rows], per_worker=[])
    (results / "memory").mkdir()
    (results / "memory" / "memory.jsonl").touch()
    (results / "memory" / "run.json").write_bytes(msgspec.json.encode(made))
    (results / "memory" / "summary.json").write_bytes(msgspec.json.encode(summary))
    assert billing.gather(run([mine]), results)[mine.name].needed_bytes == {0.25: 70, 0.5: 60}


def test_a_bill_is_printed_with_its_dates_and_written_beside_its_run(results: Path) -> None:
    folder = finish(results, run([cell("a+b@slim", image="slim")]), row("a+b@slim"))
    console = Console(width=200, record=True, file=(results / "printed").open("w"))
    question = Question(utilisation=0.5, rate_rps=100)
    made = billing.print_bill(folder, question, console)
    console.file.close()
    text = console.export_text()
    assert msgspec.json.decode((folder / "money.json").read_bytes(), type=Bill) == made
    assert "fargate-x86 us-east-1 2026-06-30" in text
    assert "0.0274 (0.0249 to 0.0305)" in text
    assert "cheapest for 100 req/s" in text
    assert "memory needed, because it was not measured" in text
    assert len(list(bill_report.price_rows(made))) == 4
