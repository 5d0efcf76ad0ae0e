"""``make survey`` measures what is unknown and fits its budget, resumes what was interrupted, and ends in a report."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from common.catalog.prices import load_prices
from common.catalog.sizes import Runtime, Size
from common.cli.parameters import StackParameters
from common.console import Terminal
from common.errors import FailedError, OutOfTimeError, UsageError
from common.host.machine import revision
from common.records.figure import Conditions, Figure, Metric, Subject
from common.records.run import Run
from loadtests.board.columns import MEASURED
from loadtests.board.rows import Row, board_rows
from loadtests.campaign import store
from loadtests.campaign.parameters import RunParameters
from loadtests.cli import results
from loadtests.cli import survey as module
from loadtests.cli.survey import STEPS, Step, Survey, fitting, lacking, needed_s, selections, survey
from loadtests.experiments.latency.records import LatencyRun, Point
from loadtests.experiments.memory.records import MemoryCell, MemoryRun
from loadtests.experiments.sizes.records import FootprintCell, FootprintRun, Weighed
from loadtests.experiments.startup.records import PageCache, StartCell, StartupRun
from tests.support.figures import DOCKER, HELLO, PROCESS, figure
from tests.support.records import cell, load, run, run_head, setup, window
from tests.support.toy_stacks import toy_stack

OTHER = replace(DOCKER, framework="c")
WHOLE = [
    figure(Metric.COMPRESSED_BYTES, 5e7),
    figure(Metric.START_S, 0.5, Conditions(vcpu=1.0, workers=1)),
    figure(Metric.IDLE_BYTES, 3e7, Conditions(vcpu=1.0, workers=1)),
    figure(Metric.REQUESTS_PER_CPU_S, 10_000, HELLO, bounds=(9_000, 11_000)),
    figure(Metric.P99_S, 0.01, Conditions(scenario="rate", vcpu=1.0, workers=1, load_share=0.5)),
]
BY_COMMAND = {step.command: step for step in STEPS}
STACKS = StackParameters(framework="falcon,raw_wsgi", runtime="process")
BUDGET_S = 3600.0


def rows(figures: Sequence[Figure], *subjects: Subject, lock: str = "0" * 64) -> list[Row]:
    return board_rows(subjects or (DOCKER,), figures, load_prices(), vcpu=1.0, locks={"a": lock, "c": lock})


def everything(_: Figure) -> bool:
    return True


def left(known: Sequence[Row]) -> list[str]:
    return [step.command for step in STEPS if lacking(step, known, everything)]


def test_sizes_come_before_starts_and_rates_before_latencies() -> None:
    assert list(BY_COMMAND) == ["sizes", "startup", "memory", "loadtest", "latency"]


def test_nothing_is_left_where_everything_is_known() -> None:
    assert left(rows(WHOLE)) == []


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.command)
def test_a_step_is_left_where_its_figure_is_missing(step: Step) -> None:
    assert left(rows([one for one in WHOLE if one.metric is not MEASURED[step.command].metric])) == [step.command]


def test_a_figure_of_another_lock_or_another_revision_is_measured_again() -> None:
    assert len(left(rows(WHOLE, lock="1" * 64))) == len(STEPS)
    assert lacking(BY_COMMAND["startup"], rows(WHOLE), lambda _: False) == [DOCKER]


def test_a_process_has_no_image_to_be_weighed() -> None:
    assert left(rows([], PROCESS)) == ["startup", "memory", "loadtest", "latency"]


def test_stacks_that_are_ranked_are_measured_together() -> None:
    known = rows(WHOLE, DOCKER, OTHER)
    assert lacking(BY_COMMAND["startup"], known, everything) == [OTHER]
    assert set(lacking(BY_COMMAND["loadtest"], known, everything)) == {DOCKER, OTHER}


def test_only_what_fits_is_measured_and_a_ranking_whole_or_not_at_all() -> None:
    three = [DOCKER, OTHER, PROCESS]
    latency, load_test = BY_COMMAND["latency"], BY_COMMAND["loadtest"]
    assert fitting(latency, three, 2 * latency.stack_s) == three[:2]
    assert fitting(latency, three, -1) == []
    assert fitting(load_test, three, 2 * load_test.stack_s) == []
    assert fitting(load_test, three, 3 * load_test.stack_s) == three
    assert needed_s([(latency, three)]) == 3 * latency.stack_s


def test_only_the_chosen_stacks_are_selected_with_as_few_commands_as_possible() -> None:
    every = [replace(DOCKER, framework=name, server=server) for name in "ac" for server in ("sync", "gthread")]
    a_sync, a_gthread, c_sync, c_gthread = every
    assert selections(every, every, "all") == {("slim", None, "all"): every}
    assert selections([a_sync, c_gthread], every, "all") == {
        ("slim", "3.13", "sync"): [a_sync],
        ("slim", "3.13", "gthread"): [c_gthread],
    }
    assert selections([a_sync, a_gthread, c_sync], every, "all") == {
        ("slim", None, "all"): [a_sync, a_gthread],
        ("slim", "3.13", "sync"): [c_sync],
    }
    fat = replace(a_sync, image="fat")
    assert selections([a_sync, fat], [a_sync, fat], "default") == {
        ("slim", None, "default"): [a_sync],
        ("fat", None, "default"): [fat],
    }


def test_pythons_are_selected_together_only_where_a_stack_is_chosen_on_all_of_them() -> None:
    older, newer = replace(DOCKER, python="3.12"), DOCKER
    assert selections([older, newer], [older, newer], "default") == {("slim", None, "default"): [older, newer]}
    assert selections([newer], [older, newer], "default") == {("slim", "3.13", "default"): [newer]}
    on_other = replace(newer, server="other")
    assert selections([newer], [older, newer, on_other], "all") == {("slim", "3.13", "b"): [newer]}


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str]]:
    """The calls, each with its frameworks; nothing is measured."""
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    monkeypatch.setattr(module, "known_figures", lambda _: [])

    def command(name: str) -> module._Command:
        def measure(asked: StackParameters, vcpu: str, share_s: float, run: RunParameters) -> None:
            assert float(vcpu) == 1
            assert asked.server == STACKS.server, "as other servers could serve these stacks too"
            assert share_s > 0
            assert 0 < run.ends_at_s - time.monotonic() <= BUDGET_S
            seen.append((name, asked.framework))

        def resume(run: RunParameters) -> None:
            assert 0 < run.ends_at_s - time.monotonic() <= BUDGET_S
            seen.append((f"resume {name}", str(run.resume)))

        return module._Command(measure=measure, resume=resume)

    monkeypatch.setattr(module, "_COMMANDS", {name: command(name) for name in module._COMMANDS})
    monkeypatch.setattr(results, "show", lambda *_, **__: seen.append(("show", "")))
    monkeypatch.setattr(results, "report", lambda: seen.append(("report", "")))
    return seen


def test_every_step_is_made_in_order_and_table_and_report_end_it(called: list[tuple[str, str]]) -> None:
    survey(STACKS, budget="1h")
    both = "falcon,raw_wsgi"
    assert called == [
        ("startup", both), ("memory", both), ("loadtest", both), ("latency", both), ("show", ""), ("report", ""),
    ]  # fmt: skip


def test_a_folder_of_ones_own_is_measured_by_its_path(called: list[tuple[str, str]], tmp_path: Path) -> None:
    folder = str(toy_stack(tmp_path, "my-app").framework.folder)
    survey(dataclasses.replace(STACKS, framework=folder))
    assert {framework for _, framework in called} == {folder, ""}


def test_what_does_not_fit_the_budget_is_said_and_left(
    called: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    survey(STACKS, budget="150s")
    assert ("latency", "falcon,raw_wsgi") not in called
    assert ("startup", "falcon,raw_wsgi") in called
    assert "the budget is too short for 2 stacks; make survey again" in capsys.readouterr().err


def test_a_step_that_runs_out_of_time_is_no_failure(
    called: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_out(*_: object) -> None:
        raise OutOfTimeError("out of time")

    late = module._Command(measure=run_out, resume=run_out)
    monkeypatch.setattr(module, "_COMMANDS", {**module._COMMANDS, "latency": late})
    survey(STACKS)
    assert "latency: the budget is used up; make survey again completes it" in capsys.readouterr().err
    assert [name for name, _ in called][-2:] == ["show", "report"]


def test_a_step_that_fails_does_not_keep_the_others(
    called: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise FailedError("it broke")

    broken = module._Command(measure=fail, resume=fail)
    monkeypatch.setattr(module, "_COMMANDS", {**module._COMMANDS, "startup": broken})
    with pytest.raises(FailedError, match="1 of 5 steps ended in an error, the first: startup: it broke"):
        survey(STACKS)
    assert [name for name, _ in called] == ["memory", "loadtest", "latency", "show", "report"]


def test_an_interrupted_run_is_completed_first(called: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished = store.RunFolder(folder=store.RESULTS / "interrupted")
    monkeypatch.setattr(module, "_unfinished", lambda command, *_: unfinished if command == "memory" else None)
    survey(STACKS)
    names = [name for name, _ in called]
    assert names.index("resume memory") < names.index("memory")


def test_a_step_whose_interrupted_run_cannot_be_resumed_is_measured_anew(
    called: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: RunParameters) -> None:
        raise UsageError("RESUME=interrupted: image_id of a was 1 and is 2.")

    unfinished = store.RunFolder(folder=store.RESULTS / "interrupted")
    monkeypatch.setattr(module, "_unfinished", lambda command, *_: unfinished if command == "memory" else None)
    changed = module._Command(measure=module._COMMANDS["memory"].measure, resume=refuse)
    monkeypatch.setattr(module, "_COMMANDS", {**module._COMMANDS, "memory": changed})
    survey(STACKS)
    assert ("memory", "falcon,raw_wsgi") in called
    assert "measures anew, since RESUME=interrupted: image_id of a was 1 and is 2." in capsys.readouterr().err


def test_an_interruption_ends_it(called: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    stopped = module._Command(measure=interrupt, resume=interrupt)
    monkeypatch.setattr(module, "_COMMANDS", {**module._COMMANDS, "memory": stopped})
    with pytest.raises(KeyboardInterrupt):
        survey(STACKS)
    assert [name for name, _ in called] == ["startup"]


@pytest.mark.parametrize(
    ("named", "python", "expected"),
    [
        (None, None, None),
        ("3.12,3.13.2", None, "3.12,3.13.2"),
        ("3.12, 3.13.2", "3.13", " 3.13.2"),
        ("3.14,3.14t,pypy3.11", "3.14t", "3.14t"),
    ],
)
def test_only_the_pythons_of_the_chosen_stacks_are_asked_for(
    named: str | None, python: str | None, expected: str | None
) -> None:
    stacks = dataclasses.replace(STACKS, python=named)
    asked = Survey(stacks=stacks, runtime=Runtime.PROCESS, size=Size(), terminal=Terminal(), ends_at_s=0)
    assert asked._asked_for(python) == expected


SURVEYED = run([cell("a+b"), cell("a+b#2", server="b", control_of="a+b")])
OF_LATENCIES = LatencyRun(
    **run_head(),
    setup=SURVEYED.setup,
    cells=SURVEYED.cells[:1],
    points=[Point(name="x", stack="a+b", size=Size(), server_cores=[0], generator_cores=[1], traffic=[])],
)
OF_STARTS = StartupRun(
    **run_head(),
    cold_by=None,
    cells=[StartCell(name="x", stack=SURVEYED.cells[0], size=Size(), cache=PageCache.WARM)],
    pulls=[],
)
OF_MEMORY = MemoryRun(
    **run_head(),
    requests=1,
    connections=1,
    limits=False,
    cells=[MemoryCell(name="x", stack=SURVEYED.cells[0], size=Size())],
)

IN_IMAGE = cell("a+b@slim", server="b", image="slim")
OF_SIZES = FootprintRun(
    **run_head() | {"runtime": Runtime.DOCKER},
    registry=None,
    zstd_level=3,
    cells=[
        FootprintCell(name="libraries of a+b", stack=SURVEYED.cells[0], weighs=Weighed.LIBRARIES),
        FootprintCell(name="a+b@slim", stack=IN_IMAGE, weighs=Weighed.IMAGE),
    ],
    missing={},
)


def _recorded(made: Run, **changes: Any) -> store.RunFolder:  # noqa: ANN401 -- any field
    """Record a run that a survey began, without visits."""
    begun = replace(made, command_line=["make survey"], revision=revision(), **changes)
    return store.RunFolder.create(store.RESULTS / begun.id, begun)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., store.RunFolder]:
    """Record runs in a folder of their own."""
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    return _recorded


@pytest.mark.parametrize(
    ("made", "command", "subject"),
    [
        (SURVEYED, "loadtest", PROCESS),
        (OF_LATENCIES, "latency", PROCESS),
        (OF_STARTS, "startup", PROCESS),
        (OF_MEMORY, "memory", PROCESS),
        (OF_SIZES, "sizes", DOCKER),
    ],
)
def test_only_a_run_of_stacks_that_are_asked_for_is_completed(
    recorded: Callable[..., store.RunFolder], made: Run, command: str, subject: Subject
) -> None:
    folder = recorded(made)
    others = [replace(subject, **change) for change in ({"framework": "c"}, {"server": "d"}, {"python": "2.7"})]
    others.append(PROCESS if subject is DOCKER else DOCKER)
    assert module._unfinished(command, [subject, *others], 1.0) == folder
    assert module._unfinished(command, others, 1.0) is None
    assert module._unfinished("workers", [subject], 1.0) is None


@pytest.mark.parametrize(
    ("made", "command"),
    [(SURVEYED, "loadtest"), (OF_LATENCIES, "latency"), (OF_STARTS, "startup"), (OF_MEMORY, "memory")],
)
def test_only_a_run_at_the_size_that_is_asked_for_is_completed(
    recorded: Callable[..., store.RunFolder], made: Run, command: str
) -> None:
    folder = recorded(made)
    assert module._unfinished(command, [PROCESS], 1.0) == folder
    assert module._unfinished(command, [PROCESS], 2.0) is None


def test_a_newer_run_of_other_stacks_does_not_hide_one_of_those_asked_for(
    recorded: Callable[..., store.RunFolder],
) -> None:
    folder = recorded(SURVEYED, id="1")
    recorded(SURVEYED, id="2", cells=[cell("c+d")])
    assert module._unfinished("loadtest", [PROCESS], 1.0) == folder


def test_an_interrupted_run_of_a_folder_of_ones_own_is_passed_over(recorded: Callable[..., store.RunFolder]) -> None:
    recorded(SURVEYED, cells=[cell("my-app-local+b")])
    assert module._unfinished("loadtest", [replace(PROCESS, framework="my-app-local")], 1.0) is None


def test_an_interrupted_run_of_inconsistent_records_is_passed_over(recorded: Callable[..., store.RunFolder]) -> None:
    looks = replace(SURVEYED.stopping, looks=[5])
    folder = recorded(SURVEYED, setup=setup(generator_cores=[]), stopping=looks, rounds=50)
    for number in range(1, 6):
        for name in ("a+b", "a+b#2"):
            folder.add(window(name, number, load(20_000)))
    assert module._unfinished("loadtest", [PROCESS], 1.0) is None


@pytest.mark.usefixtures("called")
def test_a_wrong_name_or_budget_is_refused_before_anything_begins() -> None:
    with pytest.raises(UsageError, match="nothing"):
        survey(StackParameters(framework="nothing", runtime="process"))
    with pytest.raises(UsageError, match="invalid BUDGET=soon"):
        survey(STACKS, budget="soon")
