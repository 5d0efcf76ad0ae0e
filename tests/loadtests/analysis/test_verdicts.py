"""Each verdict follows from recorded fields and says what was seen."""

from typing import Any

import pytest
from msgspec.structs import replace

from common.catalog.sizes import Runtime
from common.records.load import OwnRequest, Tool
from common.records.run import Cell, Conformance, Guest, LoadRun, WorkerState
from common.records.summary import Verdict
from common.records.window import LoadStep, OpenLoop, Window
from loadtests.analysis.verdicts import is_valid, permits_ranking, verdicts
from tests.support.records import cell, load, run, slices, window, worker

CELL = cell("a+b")
RUN = run([CELL])


def _windows(**changes: Any) -> list[Window]:  # noqa: ANN401 -- any field
    return [window("a+b", number, load(**changes)) for number in range(1, 6)]


def _paced(**changes: int) -> OpenLoop:
    counts = {"planned": 200, "queued": 0, "waiting": 0, "never_sent": 0} | changes
    return OpenLoop(
        rate_rps=100.0, from_send_s=None, from_send_histogram=[], send_lag_s=None, send_lag_histogram=[], **counts
    )


def _reasons(of_run: LoadRun, of_cell: Cell, windows: list[Window]) -> dict[Verdict, str]:
    return verdicts(of_cell, windows, of_run.setup, of_run.runtime)


NONCONFORMING = cell("a+b", conformance=Conformance(passed=3, failed={"test_x": "said 500"}, duration_s=1.0))
GUEST = cell("guest+own", guest=Guest(url="http://127.0.0.1:8000"))
CLOSING = cell("a+b", keep_alive=False)
DIED = [*_windows()[:4], window("a+b", 5, None, "exit status 1. Boom")]
STEP = LoadStep(target=10, throughput_rps=10, requests=10, p50_s=0.1, p99_s=0.1, generator_cpu_share=0.1)


@pytest.mark.parametrize(
    ("verdict", "seen", "of_run", "of_cell", "windows"),
    [
        (Verdict.NONCONFORMING, "first test_x: said 500", RUN, NONCONFORMING, []),
        (Verdict.NOT_MEASURED, "no window", RUN, CELL, []),
        (Verdict.SERVER_DIED, "in 1 of 5 windows: exit status 1. Boom", RUN, CELL, DIED),
        (
            Verdict.RESTARTED,
            "in 5 of 5 windows: 2 of the server's processes ended and 1 began",
            RUN,
            CELL,
            _windows(server_processes_ended=2, server_processes_begun=1),
        ),
        (Verdict.WRONG_ANSWERS, "wrong body x 10", RUN, CELL, _windows(failures={"wrong body": 2})),
        (Verdict.CONNECTIONS, "50 connections", RUN, CELL, _windows(reconnects=50)),
        (Verdict.CONNECTIONS, "is 0.50 of the requests in flight", RUN, CELL, _windows(littles_law_ratio=0.5)),
        (Verdict.CONNECTIONS, "only 3 of 16 connections", RUN, CELL, _windows(connections_open_min=3)),
        (Verdict.NOT_MEASURED, "nothing was answered", RUN, CELL, _windows(requests=0)),
        (Verdict.NOT_MEASURED, "CPU time could not be read", RUN, CELL, _windows(server_cpu_s=None)),
        (Verdict.DISTURBED, "host took 6% of the server's cores", RUN, CELL, _windows(server_steal_s=0.12)),
        (Verdict.DISTURBED, "others used 30% of", RUN, CELL, _windows(server_cpu_s=1.3, server_cores_busy_s=1.9)),
        (Verdict.DISTURBED, "waited for a core for 60%", RUN, CELL, _windows(generator_run_delay_s=1.2)),
        (Verdict.THROTTLED, "of 1 vCPU held the server back for 20%", RUN, CELL, _windows(throttled_s=0.4)),
        (Verdict.WALL_ONLY, "without PID= or CONTAINER=", RUN, GUEST, _windows(server_cpu_s=None)),
        (Verdict.SHARED_CORE, "shared cores", run([CELL], generator_cores=[0, 1]), CELL, _windows()),
        (Verdict.SHARED_CORE, "one physical core", run([CELL], split_siblings=True), CELL, _windows()),
        (Verdict.WORKERS_CHANGED, "5 workers lost", RUN, CELL, _windows(workers_lost=1)),
        (Verdict.WORKERS_CHANGED, "5 workers joined", RUN, CELL, _windows(workers=[worker(joined_late=True)])),
        (
            Verdict.GENERATOR_BOUND,
            "95% of the cores",
            RUN,
            CELL,
            _windows(workers=[worker(), worker(generator_cpu_s=1.9)]),
        ),
        (Verdict.GENERATOR_BOUND, "20017 requests were begun and 20000 ended", RUN, CELL, _windows(sent=20_017)),
        (Verdict.GENERATOR_BOUND, "90% of the cores", RUN, CELL, _windows(generator_cpu_s=1.8)),
        (
            Verdict.DATABASE_BOUND,
            "database and generator used 95% of their cores, the database 70%",
            RUN,
            CELL,
            _windows(generator_cpu_s=0.5, database_cpu_s=1.4),
        ),
        (
            Verdict.GENERATOR_BOUND,
            "90% of the cores",
            run([CELL], generator_cores=[1, 2]),
            CELL,
            _windows(generator_cpu_s=1.8),
        ),
        (
            Verdict.GENERATOR_BOUND,
            "85% of the cores",
            run([CELL], generator_cores=[1, 2, 3, 4], generator_workers=2),
            CELL,
            _windows(generator_cpu_s=3.4, workers=[worker(generator_cpu_s=1.5)] * 2),
        ),
        (Verdict.TOO_FEW_ROUNDS, "3 windows", RUN, CELL, _windows()[:3]),
    ],
)
def test_a_verdict_names_what_was_seen(
    verdict: Verdict, seen: str, of_run: LoadRun, of_cell: Cell, windows: list[Window]
) -> None:
    assert seen in _reasons(of_run, of_cell, windows)[verdict]


@pytest.mark.parametrize(
    ("setup", "changes", "way_out"),
    [
        ({"generator_cores": [1]}, {}, "Give it more cores, or the server a smaller VCPU."),
        ({"generator_cores": [1, 2]}, {}, "or give the server a smaller VCPU."),
        ({"generator_cores": [1, 2]}, {"steps": [STEP]}, "limit. Give the server a smaller VCPU."),
        (
            {"generator_cores": [1, 2], "requests": [OwnRequest(path="/x")]},
            {},
            "limit. Give the server a smaller VCPU.",
        ),
        ({"generator_cores": [1, 2], "generator_workers": 2}, {}, "Give it more cores, or"),
        ({"generator_cores": [1, 2], "tool": Tool.WRK}, {}, "Give it more cores, or"),
    ],
)
def test_a_generator_is_given_more_cores_only_if_it_uses_those_that_it_has(
    setup: dict[str, Any], changes: dict[str, Any], way_out: str
) -> None:
    reason = _reasons(run([CELL], **setup), CELL, _windows(generator_cpu_s=3.8, **changes))[Verdict.GENERATOR_BOUND]
    assert way_out in reason
    assert ("raise GENERATOR_WORKERS=" in reason) is way_out.startswith("or give")


@pytest.mark.parametrize(("changes", "said"), [({}, False), ({"slices": slices()}, True)])
def test_workers_of_the_generator_are_said_to_end_the_slices(changes: dict[str, Any], said: bool) -> None:  # noqa: FBT001
    reasons = _reasons(run([CELL], generator_cores=[1, 2]), CELL, _windows(generator_cpu_s=3.8, **changes))
    assert ("one server after the other" in reasons[Verdict.GENERATOR_BOUND]) is said


def test_a_single_window_in_which_the_generator_was_too_busy_is_enough() -> None:
    windows = [*_windows()[:4], window("a+b", 5, load(generator_cpu_s=1.8))]
    assert "90% of the cores" in _reasons(RUN, CELL, windows)[Verdict.GENERATOR_BOUND]


def test_on_fargate_the_clock_is_all_there_is() -> None:
    reasons = _reasons(run([CELL], runtime=Runtime.FARGATE), CELL, _windows(server_cpu_s=None))
    assert reasons == {Verdict.WALL_ONLY: "the fargate runtime gives no CPU time; only the clock's figures are known."}


def test_five_clean_windows_are_valid() -> None:
    assert _reasons(RUN, CELL, _windows()) == {}


def test_an_open_loop_is_not_held_to_littles_law() -> None:
    """Most of its connections are idle, by design."""
    assert _reasons(RUN, CELL, _windows(open_loop=_paced(), littles_law_ratio=0.01)) == {}


def test_an_open_loop_may_leave_one_arrival_in_a_hundred_unsent() -> None:
    assert _reasons(RUN, CELL, _windows(open_loop=_paced(waiting=1, never_sent=1))) == {}
    reasons = _reasons(RUN, CELL, _windows(open_loop=_paced(waiting=1, never_sent=2)))
    assert reasons.keys() == {Verdict.OVERLOADED}
    assert reasons[Verdict.OVERLOADED].startswith("3 of 200 arrivals were not sent.")


def test_a_climb_without_a_step_that_held_gives_the_reason_of_the_lowest() -> None:
    """What it did not send is part of that."""
    broken = [replace(STEP, target=target, broken=f"p99 was {target} ms") for target in (20, 10)]
    reasons = _reasons(RUN, CELL, _windows(steps=broken, open_loop=_paced(never_sent=100)))
    assert reasons.keys() == {Verdict.OBJECTIVE_MISSED}
    assert reasons[Verdict.OBJECTIVE_MISSED].startswith("no step held the objective: p99 was 10 ms.")
    assert _reasons(RUN, CELL, _windows(steps=[broken[0], STEP])) == {}


def test_how_to_look_at_a_server_of_ones_own_names_no_framework() -> None:
    for changes, seen in (
        ({"reconnects": 50}, Verdict.CONNECTIONS),
        ({"failures": {"reset": 1}}, Verdict.WRONG_ANSWERS),
    ):
        assert "FRAMEWORK=a SERVER=b" in _reasons(RUN, CELL, _windows(**changes))[seen]
        assert "FRAMEWORK=" not in _reasons(RUN, GUEST, _windows(**changes))[seen]


def test_a_closing_server_is_expected_to_reconnect() -> None:
    assert _reasons(RUN, CLOSING, _windows(reconnects=20_000)) == {}


def test_a_server_may_close_a_connection_after_a_thousand_requests() -> None:
    assert _reasons(RUN, CELL, _windows(reconnects=20)) == {}


def test_the_most_serious_verdict_comes_first() -> None:
    windows = [*_windows(failures={"wrong body": 2}, server_steal_s=1.0, throttled_s=1.0)[:2], DIED[-1]]
    assert list(_reasons(RUN, CELL, windows)) == [
        Verdict.SERVER_DIED,
        Verdict.WRONG_ANSWERS,
        Verdict.DISTURBED,
        Verdict.TOO_FEW_ROUNDS,
        Verdict.THROTTLED,
    ]


def test_only_remarks_permit_ranking() -> None:
    assert permits_ranking(())
    assert permits_ranking({Verdict.THROTTLED})
    assert not permits_ranking({Verdict.THROTTLED, Verdict.DISTURBED})
    valid = {verdict for verdict in Verdict if is_valid(verdict)}
    assert valid == {Verdict.VALID, Verdict.THROTTLED}


def test_a_generator_on_the_servers_core_does_not_count_as_a_disturbance() -> None:
    shared = run([CELL], generator_cores=[0])
    windows = _windows(server_cpu_s=1.0, server_cores_busy_s=2.0)
    assert Verdict.DISTURBED not in _reasons(shared, CELL, windows)


def test_a_single_outlier_does_not_count_as_a_broken_connection() -> None:
    windows = [*_windows()[:4], window("a+b", 5, load(littles_law_ratio=1.2))]
    assert _reasons(RUN, CELL, windows) == {}


@pytest.mark.parametrize("windows", [_windows(), _windows(requests=0), DIED, []])
def test_every_sentence_ends_with_a_full_stop(windows: list[Window]) -> None:
    assert all(sentence.endswith((".", "Boom")) for sentence in _reasons(RUN, CELL, windows).values())


WITH_GIL, WITHOUT = WorkerState(gil=True, jit=False), WorkerState(gil=False, jit=False)
WITH_JIT = WorkerState(gil=True, jit=True)


@pytest.mark.parametrize(
    ("python", "workers", "modules", "seen"),
    [
        ("3.14.8t", [WITHOUT, WITH_GIL], ["uvloop.loop"], "its GIL was on: switched on for uvloop.loop,"),
        ("3.14.8t", [WITH_GIL], [], "its GIL was on, so"),
        ("3.13.9t", [], ["httptools.parser.parser"], "switched on for httptools.parser.parser"),  # cannot be asked
        ("3.14.8t", [WITHOUT], [], None),
        ("3.15.0+jit", [WITH_JIT, WITH_GIL], [], "its JIT was off"),
        ("3.15.0+jit", [WITH_JIT], [], None),
        ("3.15.0", [], [], None),
    ],
)
def test_a_python_that_ran_otherwise_than_asked_is_not_ranked_as_that_python(
    python: str, workers: list[WorkerState], modules: list[str], seen: str | None
) -> None:
    outcome = Conformance(passed=3, duration_s=1.0, workers=workers, gil_enabled_by=modules)
    reasons = _reasons(RUN, cell("a+b", python=python, conformance=outcome), _windows())
    assert (Verdict.OTHER_INTERPRETER in reasons) is (seen is not None)
    assert seen is None or seen in reasons[Verdict.OTHER_INTERPRETER]


def test_a_database_is_at_its_limit_only_where_most_windows_say_so() -> None:
    busy, idle = load(generator_cpu_s=0.5, database_cpu_s=1.4), load(generator_cpu_s=0.5, database_cpu_s=0.9)
    windows = [window("a+b", number, busy if number < 3 else idle) for number in range(1, 6)]
    assert Verdict.DATABASE_BOUND not in _reasons(RUN, CELL, windows)
