"""``make plan`` answers from known figures, refuses with the command that measures what is missing, and proves."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from common.catalog.sizes import Runtime, Size
from common.cli.app import GIVEN, run
from common.cli.parameters import StackParameters
from common.errors import UsageError
from common.records.capacity import CapacityPlan, Limit
from common.records.figure import Conditions, Figure, Metric, Subject
from common.records.schema import decode
from common.records.summary import Verdict
from loadtests.__main__ import command_line
from loadtests.campaign import loop
from loadtests.campaign.store import run_folders
from loadtests.cli import plan as module
from loadtests.cli import planning, proof
from loadtests.cli.plan import parse_part, parse_response_time
from loadtests.cli.proof import holds, is_decided, proof_sentence
from loadtests.experiments.latency.records import LatencyRun, TrafficRow, TrafficVisit
from tests.loadtests.capacity.test_sentences import DEMAND, a_plan, between
from tests.support.figures import HELLO, figure
from tests.support.here import NAME, real_candidate

STACK = ["plan", "--framework=raw_wsgi", "--runtime=process", "--prices=fargate-x86"]
ASKED = [*STACK, "--rate=1500", "--p99=200ms"]
MB = 1024**2


def everything(subject: Subject, rate: float = 1000) -> list[Figure]:
    """Return all figures that a plan needs, of a stack that serves so many requests a CPU-second."""
    half = Conditions(scenario="rate", vcpu=1.0, workers=1, load_share=0.5)
    return [
        figure(Metric.REQUESTS_PER_CPU_S, rate, HELLO, subject=subject),
        figure(Metric.LIMIT_BYTES, 40 * MB, Conditions(vcpu=1.0, workers=1), subject=subject),
        figure(Metric.REQUESTS_PER_CPU_S, 0.8 * rate, half, subject=subject),
        figure(Metric.P99_S, 0.02, half, subject=subject),
    ]


def know(figures: Sequence[Figure], monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (module, planning):
        monkeypatch.setattr(place, "known_of_machine", lambda _: list(figures))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that a plan needs is known of one stack."""
    know(everything(real_candidate().subject), monkeypatch)


def status(*words: str) -> int:
    return run(command_line(), words, {GIVEN: ""})


def refusal(capsys: pytest.CaptureFixture[str], *words: str, expected: int = 2) -> str:
    """Return the only line that a command which cannot be carried out prints."""
    assert status(*words) == expected
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


@pytest.mark.usefixtures("known")
def test_a_plan_is_a_table_and_a_sentence_for_each_of_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(*ASKED) == 0
    text = capsys.readouterr().out
    assert "1500 req/s as hello, within a p99 of 200 ms" in text
    assert f"\nplan: {NAME}: " in text
    assert text.count("\nnext best: ") == 2
    assert "\nautoscaler: hold " in text


@pytest.mark.usefixtures("known")
def test_a_plan_is_json_for_other_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(*ASKED, "--sleep=80ms", "--share=30%", "--database-connections=500", "--format=json") == 0
    made: CapacityPlan = decode(capsys.readouterr().out, CapacityPlan, what="plan", source="standard output")
    assert (made.demand.sleep_s, made.demand.sleep_share, made.demand.connections) == (0.08, 0.3, 500)
    assert len(made.plans) == 3
    assert all(plan.p99_s.estimate <= 0.2 and plan.limited_by in Limit for plan in made.plans)
    assert made.missing == {}


def test_without_figures_the_command_that_measures_them_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    know([], monkeypatch)
    assert (
        f"the rate and memory and latency of {NAME} was not measured on this machine. Run: make loadtest memory "
        "latency FRAMEWORK=raw_wsgi SERVER=gunicorn-gthread RUNTIME=process, or add MEASURE=yes."
    ) in refusal(capsys, *ASKED)


def test_requests_of_another_kind_are_measured_by_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    know(everything(real_candidate().subject), monkeypatch)
    assert "SCENARIO=quotes, or add MEASURE=yes" in refusal(capsys, *ASKED, "--scenario=quotes")


def test_a_rate_of_other_requests_of_the_users_own_does_not_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, subject = tmp_path / "paths.toml", real_candidate().subject
    file.write_text('[[requests]]\npath = "/hello"\n')
    others = figure(Metric.REQUESTS_PER_CPU_S, 5, Conditions(scenario="paths", vcpu=1.0, workers=1), subject=subject)
    know([*everything(subject), others], monkeypatch)
    assert f"PATHS={file}" in refusal(capsys, *ASKED, f"--paths={file}")


def test_what_is_missing_is_measured_if_asked_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = real_candidate().subject
    figures = [one for one in everything(subject) if one.metric is not Metric.LIMIT_BYTES]
    know(figures, monkeypatch)
    measured: list[StackParameters] = []

    def memory(asked: StackParameters) -> None:
        measured.append(asked)
        know(everything(subject), monkeypatch)

    monkeypatch.setattr(planning, "MEASURING", {"memory": memory})
    assert status(*ASKED, "--measure=yes") == 0
    assert [(one.framework, one.server, one.runtime) for one in measured] == [
        ("raw_wsgi", "gunicorn-gthread", Runtime.PROCESS)
    ]
    assert "plan: measures " in capsys.readouterr().err


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*STACK, "--rate=2000"], "needs RATE= and P99=, such as RATE=2000 P99=200ms"),
        ([*STACK, "--rate=2000", "--p99=fast"], "P99=fast: must be a time above 0 and up to 60s, such as 200ms"),
        ([*ASKED, "--sleep=80ms"], "SLEEP=80ms needs SHARE=, such as SLEEP=80ms SHARE=30%"),
        ([*ASKED, "--share=30%"], "SHARE=30% needs SLEEP="),
        ([*ASKED, "--sleep=80ms", "--share=130%"], "invalid SHARE=130%: must be above 0 and at most 100%"),
        ([*ASKED, "--sleep=300ms", "--share=30%"], "takes the whole of P99=200ms"),
        ([*ASKED, "--scenario=rate"], "SCENARIO=rate needs a rate"),
        ([*STACK[:3], "--rate=1500", "--p99=200ms", "--prices=azure"], "PRICES=azure is unknown"),
        (
            [*STACK[:3], "--rate=1500", "--p99=200ms", "--prices=nowhere.toml"],
            "nowhere.toml is not a valid price table",
        ),
        ([*ASKED, "--database-connections=20"], "DATABASE_CONNECTIONS=20 is too few: "),
        ([*STACK, "--rate=2000", "--p99=0.1ms"], "no size on the price lists holds P99=0.1ms"),
        ([*ASKED, "--prove=yes", "--burst=4"], "PROVE=yes sends Poisson arrivals of hello, not BURST=4"),
        ([*ASKED, "--prove=yes", "--sleep=80ms", "--share=30%"], "not SLEEP="),
    ],
)
def test_bad_values_are_refused_in_one_line(
    words: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refusal(capsys, *words)


@pytest.mark.usefixtures("known")
def test_connections_that_are_too_few_come_with_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    text = refusal(capsys, *ASKED, "--database-connections=20")
    assert "Lower POOL=" in text
    assert "PgBouncer" in text
    assert status(*ASKED, "--database-connections=20", "--pool=1") == 0


@pytest.mark.usefixtures("known")
def test_a_process_cannot_prove_a_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert "PROVE=yes needs RUNTIME=docker, not process" in refusal(capsys, *ASKED, "--prove=yes")


@pytest.mark.usefixtures("known")
def test_the_cheapest_plan_is_written_as_files_to_a_new_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "deploy"
    assert status(*ASKED, f"--out={folder}") == 0
    assert {file.name for file in folder.iterdir()} == {
        "gunicorn.conf.py",
        "compose.yaml",
        "kubernetes.yaml",
        "ecs-task-definition.json",
    }
    task = json.loads((folder / "ecs-task-definition.json").read_text())
    assert "raw_wsgi:gunicorn-gthread-slim" in task["containerDefinitions"][0]["image"]
    capsys.readouterr()
    assert "is not empty" in refusal(capsys, *ASKED, f"--out={folder}")


@pytest.mark.parametrize(("text", "value_s"), [("200ms", 0.2), ("0.2s", 0.2), ("50", 0.05), ("60s", 60)])
def test_a_response_time_has_a_unit_or_is_in_milliseconds(text: str, value_s: float) -> None:
    assert parse_response_time(text, variable="P99") == pytest.approx(value_s)


@pytest.mark.parametrize("text", ["", "0ms", "-1s", "61s", "1m", "nan", "1e3"])
def test_a_response_time_is_above_nothing_and_at_most_a_minute(text: str) -> None:
    with pytest.raises(UsageError, match="invalid P99="):
        parse_response_time(text, variable="P99")


@pytest.mark.parametrize(("text", "value"), [("30%", 0.3), ("30", 0.3), ("100 %", 1.0), ("0.5%", 0.005)])
def test_a_share_is_a_part_of_a_hundred(text: str, value: float) -> None:
    assert parse_part(text, variable="SHARE") == pytest.approx(value)


def row(p99_s: float, verdict: Verdict = Verdict.VALID) -> TrafficRow:
    return TrafficRow(
        point="a+b 0.5 vCPU 1 worker",
        traffic="667 a second",
        servers=5,
        requests=30_000,
        throughput_rps=between(667, 660, 670),
        requests_per_cpu_s=None,
        mean_s=None,
        p50_s=None,
        p99_s=between(p99_s, p99_s / 2, p99_s * 2),
        p999_s=None,
        throttled_share=0.03,
        throttled_periods=9,
        server_utilisation=0.72,
        histogram=[],
        verdict=verdict,
        doubts={},
    )


def test_a_plan_holds_if_the_measured_percentile_is_within_what_was_asked_for() -> None:
    assert holds(row(0.15), DEMAND)
    assert not holds(row(0.21), DEMAND)
    assert not holds(row(0.15, Verdict.OVERLOADED), DEMAND)


def test_a_slow_generator_leaves_a_plan_undecided_only_if_it_does_not_hold() -> None:
    assert is_decided(row(0.15, Verdict.GENERATOR_BOUND), DEMAND)
    assert not is_decided(row(0.21, Verdict.GENERATOR_BOUND), DEMAND)
    assert not is_decided(row(0.15, Verdict.DISTURBED), DEMAND)
    assert is_decided(row(0.15, Verdict.OVERLOADED), DEMAND)


def test_a_proof_says_what_was_measured_and_what_was_planned() -> None:
    assert proof_sentence(a_plan(), DEMAND, row(0.15)) == (
        "the plan holds: one task of 0.5 vCPU and 1 GB under 667 req/s had a p99 of 150.0 (75.0 to 300.0) ms, planned "
        "140.0 (90.0 to 220.0), at most 200; it was 72% busy, planned 70%, and throttled for 3% of the time."
    )
    assert "the plan does not hold" in proof_sentence(a_plan(), DEMAND, row(0.21))
    assert "arrivals were left unsent" in proof_sentence(a_plan(), DEMAND, row(0.15, Verdict.OVERLOADED))


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_one_task_of_the_plan_is_brought_up_at_its_size_and_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = StackParameters(framework="raw_wsgi", runtime="docker").candidates(Runtime.DOCKER)[0]
    know(everything(candidate.subject, rate=4000), monkeypatch)
    monkeypatch.setattr(loop, "RESULTS", tmp_path)
    monkeypatch.setattr(proof, "WINDOW_S", 2.0)
    words = ["plan", "--framework=raw_wsgi", "--runtime=docker", "--rate=400", "--p99=2s", "--prove=yes"]
    assert status(*words) == 0, capsys.readouterr().err
    assert "the plan holds: one task of 0.25 vCPU and 0.5 GB under 400 req/s" in capsys.readouterr().out
    (folder,) = run_folders(tmp_path)
    made = folder.run()
    assert isinstance(made, LatencyRun)
    assert made.points[0].size == Size(vcpu=0.25, memory_bytes=512 * MB, worker_count=1)
    loads = [load for visit in folder.visits() if isinstance(visit, TrafficVisit) for load in visit.loads.values()]
    assert [load.open_loop is not None and load.open_loop.rate_rps for load in loads] == [400.0] * 5
