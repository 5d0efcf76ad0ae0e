"""A window by Locust: its command line, its time limit, and its failures."""

import faulthandler
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from locust.env import Environment
from msgspec.structs import replace

from common.errors import FailedError
from common.records.load import Arrivals, LoadSpec, Objective, Rate, Setup
from common.records.window import Latency, Load, LoadStep, OpenLoop
from common.runtimes.running_server import RunningServer
from loadtests.analysis.generator_limits import held_up
from loadtests.analysis.thresholds import MOST_ATTEMPTS
from loadtests.experiments.loadtest import visit as fresh_servers
from loadtests.scenarios.locust_users import user_class
from loadtests.scenarios.workloads import SCENARIOS
from loadtests.targets.ceiling import null_server
from loadtests.timing import window
from loadtests.timing.climbs import staircase_of, window_s
from loadtests.timing.window import WindowPlan
from loadtests.windows import by_locust, tools
from loadtests.windows.by_locust import Gate, longest_s
from loadtests.windows.tools import GeneratorError
from tests.support import records

CORES = sorted(os.sched_getaffinity(0))
HERE = RunningServer(url="http://127.0.0.1:9", client_prefix=(), cpu_meter="tree:1", exit_reason=lambda: None)
SPY = """
import json, sys
options = dict(word[2:].split("=", 1) for word in sys.argv[1:] if word.startswith("--") and "=" in word)
with open(sys.argv[0] + ".lines", "a") as lines:
    lines.write(json.dumps(sys.argv[1:]) + chr(10))
with open(options["window-file"], "w") as file:
    loads = json.load(open(sys.argv[0] + ".loads"))
    made = len(open(sys.argv[0] + ".lines").readlines())
    json.dump(loads[min(made, len(loads)) - 1], file)
"""


class Spy:
    """Stands in for Locust: records its command line and returns a load."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "locust.py"
        self.file.write_text(SPY)
        self.returns(records.load(1000, server_cpu_s=0.5))

    def returns(self, *loads: Load) -> None:
        """Return these loads one after the other, and the last one from then on."""
        self.file.with_name("locust.py.loads").write_bytes(msgspec.json.encode(loads))

    @property
    def lines(self) -> list[list[str]]:
        """The command line of each call."""
        return [msgspec.json.decode(line) for line in self.file.with_name("locust.py.lines").read_bytes().splitlines()]


@pytest.fixture
def spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spy:
    made = Spy(tmp_path)
    monkeypatch.setattr(by_locust, "LOCUST", (sys.executable, str(made.file)))
    return made


def setup(**changes: Any) -> Setup:  # noqa: ANN401 -- any field
    return records.setup(**{"users": 4, "server_cores": CORES[:1], "generator_cores": CORES[-1:]} | changes)


@pytest.mark.slow
def test_a_window_is_made_on_the_generators_cores_and_counts_the_servers_cpu_time() -> None:
    with null_server(CORES[:1]) as running:
        load = fresh_servers.measure(running, setup(warmup_s=0.2, window_s=0.5))
    assert load.requests > 1000
    assert load.failures == {}
    assert load.duration_s == pytest.approx(0.5, abs=0.1)
    assert load.server_cpu_s is not None
    assert load.server_cpu_s > 0.05


@pytest.mark.slow
def test_a_share_of_the_capacity_is_measured_on_the_same_server_first() -> None:
    with null_server(CORES[:1], 0.002) as running:
        load = fresh_servers.measure(
            running,
            setup(scenario="rate", rate=Rate(share=0.05), arrivals=Arrivals.CONSTANT, warmup_s=0.2, window_s=0.5),
        )
    assert load.open_loop is not None
    assert load.open_loop.capacity_rps is not None
    assert load.open_loop.rate_rps == pytest.approx(0.05 * load.open_loop.capacity_rps, rel=0.01)


def test_locust_gets_the_scenario_its_load_and_its_cores(spy: Spy) -> None:
    by_locust.measure(HERE, setup(scenario="sleepers", delay_ms=50, objective=Objective.parse("p50<80ms")))
    (line,) = spy.lines
    assert line[-1] == "Sleepers"
    assert {
        "--host=http://127.0.0.1:9",
        "--users=4",
        "--spawn-rate=4",
        "--delay-ms=50",
        "--warmup-s=1.0",
        "--window-s=2.0",
        "--meter=tree:1",
        f"--server-cores={CORES[0]}",
        "--objective=p50<80ms",
    } <= set(line)


def test_locust_gets_the_rate_arrivals_and_seed(spy: Spy) -> None:
    by_locust.measure(HERE, setup(scenario="rate", rate=Rate(rps=250.0), arrivals=Arrivals.POISSON), seed=7)
    (line,) = spy.lines
    assert {"--rate=250.0", "--arrivals=poisson", "--arrival-seed=7"} <= set(line)


def sent_late_by(late_s: float) -> Load:
    """Return the load of an open loop in which one send in a thousand was late by this much."""
    lag = Latency(p50=0, p90=0, p99=0, p999=late_s, max=late_s, mean=0)
    opened = OpenLoop(
        rate_rps=1000, planned=1, queued=0, waiting=0, never_sent=0, from_send_s=None, from_send_histogram=[],
        send_lag_s=lag, send_lag_histogram=[],
    )  # fmt: skip
    return records.load(1000, server_cpu_s=0.5, open_loop=opened)


LATE = sent_late_by(0.003)
STEP = LoadStep(target=100, throughput_rps=100, requests=200, p50_s=0.01, p99_s=0.02, generator_cpu_share=0.1)
LOCUST_STARTS_S = 10.0
"""The time that Locust may take to start on a busy machine."""
RATED = {"scenario": "rate", "rate": Rate(rps=1000), "arrivals": Arrivals.POISSON}


def test_a_window_whose_generator_was_held_up_is_made_again(spy: Spy) -> None:
    spy.returns(LATE, LATE, sent_late_by(0.0001))
    load = by_locust.measure(HERE, setup(**RATED), seed=7)
    assert len(spy.lines) == 3
    assert "--arrival-seed=7" in spy.lines[2]
    assert held_up(load) is None
    assert [one.reason for one in load.discarded] == [held_up(LATE)] * 2
    assert LATE.open_loop is not None
    assert load.discarded[0].send_lag_s == LATE.open_loop.send_lag_s


def test_a_window_whose_generator_is_held_up_every_time_is_made_so_often_and_kept(spy: Spy) -> None:
    spy.returns(LATE)
    load = by_locust.measure(HERE, setup(**RATED))
    assert len(spy.lines) == MOST_ATTEMPTS
    assert held_up(load) is not None
    assert len(load.discarded) == MOST_ATTEMPTS - 1


@pytest.mark.parametrize(
    ("load", "of", "gated"),
    [
        (LATE, RATED | {"server_cores": []}, False),
        (LATE, RATED, True),
        (replace(LATE, server_gone="no connection was open"), RATED, False),
        (replace(LATE, open_loop=None, generator_run_delay_s=9.0), {}, False),
        (replace(LATE, steps=[STEP]), {"scenario": "ramp"}, False),
    ],
    ids=["on Fargate", "beside another", "without a server", "in a closed loop", "in a climb"],
)
def test_other_windows_are_made_once(load: Load, of: dict[str, Any], spy: Spy, tmp_path: Path, *, gated: bool) -> None:
    spy.returns(load)
    assert by_locust.measure(HERE, setup(**of), gate=Gate(folder=tmp_path, count=2) if gated else None) == load
    assert len(spy.lines) == 1


def test_a_share_takes_a_saturating_window_first_and_is_a_share_of_what_that_reaches(spy: Spy) -> None:
    """1,000 requests in half a CPU-second are 2,000 a second on one vCPU."""
    spy.returns(sent_late_by(0))
    load = by_locust.measure(HERE, setup(scenario="rate", rate=Rate(share=0.5), arrivals=Arrivals.CONSTANT), seed=7)
    saturating, rated = spy.lines
    assert saturating[-1] == "Hello"
    assert not any(word.startswith("--rate") for word in saturating)
    assert rated[-1] == "Rate"
    assert "--rate=1000.0" in rated
    assert load.open_loop is not None
    assert load.open_loop.capacity_rps == 2000


def test_a_server_that_answers_nothing_has_no_capacity_to_take_a_share_of(spy: Spy) -> None:
    """It is the server's failure; Locust would refuse a rate of 0, which would end the whole run."""
    spy.returns(records.load(0, latency_s=None, histogram=[]))
    with pytest.raises(FailedError, match=r"^no request was answered while its capacity was measured$") as error:
        by_locust.measure(HERE, setup(scenario="rate", rate=Rate(share=0.5), arrivals=Arrivals.CONSTANT))
    assert not isinstance(error.value, GeneratorError)
    assert len(spy.lines) == 1


def test_generator_workers_get_a_port_of_their_own(spy: Spy) -> None:
    by_locust.measure(HERE, setup(generator_workers=2))
    (line,) = spy.lines
    options = dict(word[2:].split("=", 1) for word in line if word.startswith("--") and "=" in word)
    assert options["processes"] == "2"
    assert options["master-bind-host"] == "127.0.0.1"
    assert options["master-bind-port"] == options["master-port"]


def test_generators_that_begin_together_share_a_gate(spy: Spy, tmp_path: Path) -> None:
    by_locust.measure(HERE, setup(), gate=Gate(folder=tmp_path, count=2))
    (line,) = spy.lines
    assert {f"--gate={tmp_path}", "--gate-of=2"} <= set(line)


def test_locusts_own_settings_do_not_reach_a_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spy: Spy) -> None:
    (tmp_path / ".locust.conf").write_text("users = 99\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("LOCUST_USERS", "PYTHONMALLOC", "GEVENT_LOOP"):
        monkeypatch.setenv(name, "99")
    seen = "os.environ.keys() & {'LOCUST_USERS', 'PYTHONMALLOC', 'GEVENT_LOOP'}"
    spy.file.write_text(f"import os; assert not {seen} and os.environ['HOME'] != {str(tmp_path)!r}\n{SPY}")
    assert by_locust.measure(HERE, setup()).requests == 1000


def test_an_end_without_a_result_is_the_generators_error_with_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_locust, "LOCUST", ("sh", "-c", "echo no module named locust >&2; exit 3"))
    with pytest.raises(GeneratorError, match=r"Locust ended without a result: exit status 3\. no module named locust"):
        by_locust.measure(HERE, setup())


def test_a_generator_that_hangs_is_ended_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_locust, "LOCUST", ("sh", "-c", "echo still here; sleep 60"))
    monkeypatch.setattr(by_locust, "START_UP_S", 0.5)
    monkeypatch.setattr(tools, "WATCHDOG_S", 0.0)
    with pytest.raises(GeneratorError, match=r"Locust did not end in time\. still here"):
        by_locust.measure(HERE, setup(warmup_s=0.0, window_s=0.0))


def test_a_climb_may_take_as_long_as_all_its_steps() -> None:
    steady, climb = (longest_s(setup(scenario=name, delay_ms=100).load) for name in ("hello", "ramp"))
    assert steady == 30 + 1 + 2
    assert climb == 30 + 1 + 40 * (2 + 21)
    assert longest_s(setup(scenario="sleepers", delay_ms=1000).load) == 30 + 1 + 40 * (10 + 21 + 2)


@pytest.mark.parametrize("changes", [{}, {"scenario": "ramp"}, {"scenario": "sleepers", "delay_ms": 1000}])
def test_locusts_own_watchdog_fires_first(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    armed_s = list[float]()
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda timeout_s, **_: armed_s.append(timeout_s))
    monkeypatch.setattr(window, "write_file", lambda *_: None)
    load = setup(**changes).load
    options = Namespace(window_s=load.window_s, delay_ms=load.delay_ms, rate=1.0, num_users=1, objective=None)
    plan = WindowPlan(file=Path(), warmup_s=load.warmup_s, window_s=window_s(options), opening_s=10.0)
    window.run(plan, records.load, _longest_s(plan, load, options))
    (watchdog_s,) = armed_s
    assert watchdog_s + LOCUST_STARTS_S <= longest_s(load) + tools.WATCHDOG_S


def _longest_s(plan: WindowPlan, load: LoadSpec, options: Namespace) -> float:
    """Return the longest time that the window may take, as Locust itself reckons it."""
    if (scenario := SCENARIOS[load.scenario]).climbs is None:
        return plan.warmup_s + plan.window_s
    user = user_class(scenario)
    environment = Environment(user_classes=[user], parsed_options=options)
    environment.create_local_runner()
    return staircase_of(environment, user, plan).longest_s(plan)
