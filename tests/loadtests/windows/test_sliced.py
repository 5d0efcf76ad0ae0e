"""Servers loaded in turn, in slices: a known truth is found again, and every flaw of a window shows in it."""

import dataclasses
import functools
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from common.catalog.sizes import Runtime
from common.catalog.stacks import images
from common.engine.builds import build_images
from common.packages.environments import environment
from common.records.load import LoadSpec, Tool
from common.records.run import Slicing
from common.records.summary import Verdict
from common.records.window import Window
from common.runtimes import process
from common.runtimes.candidates import Candidate
from common.runtimes.running_server import RunningServer
from loadtests.analysis.slice_verdicts import mostly_disturbed
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.analysis.verdicts import verdicts
from loadtests.timing.slice_order import SLOW_PASSES
from loadtests.windows.sliced import (
    MOST_PASSES,
    ROUND_S,
    measure_in_turn,
    measure_round,
    round_s,
    slicing_for,
    why_not_sliced,
)
from tests.support import records
from tests.support.programmable import COSTLY_PER_CPU_S, SLOW_PER_CPU_S, programmed
from tests.support.servers import CLOSE, Client, serving

CORES = sorted(os.sched_getaffinity(0))
TRIES = 3
SHORT = Slicing(passes=12, most_passes=18, slice_s=0.1, skipped_s=0.02)
LOADED_S = 2.0
"""How long a server is loaded in slices of the usual length, so that no single event changes its rate by 2 %."""


def _load(**changes: object) -> LoadSpec:
    return records.setup(**changes).load


@pytest.mark.parametrize(
    ("load", "runtime", "reason"),
    [
        (_load(), Runtime.PROCESS, None),
        (_load(scenario="errors"), Runtime.DOCKER, None),
        (_load(), Runtime.FARGATE, "RUNTIME=fargate"),
        (_load(tool=Tool.WRK), Runtime.PROCESS, "TOOL=wrk"),
        (_load(generator_workers=2), Runtime.PROCESS, "GENERATOR_WORKERS=2"),
        (_load(scenario="rate"), Runtime.PROCESS, "SCENARIO=rate"),
        (_load(scenario="ramp"), Runtime.PROCESS, "SCENARIO=ramp"),
        (_load(scenario="mixed"), Runtime.PROCESS, "SCENARIO=mixed"),
    ],
)
def test_what_cannot_be_cut_into_slices_is_named(load: LoadSpec, runtime: Runtime, reason: str | None) -> None:
    assert why_not_sliced(load, runtime) == reason


@pytest.mark.parametrize(
    ("vcpu", "slice_s"), [(0.25, 0.4), (0.3, 0.4), (0.5, 0.2), (1.0, 0.08), (1.5, 0.1), (4.0, 0.08)]
)
def test_slices_hold_whole_periods_of_a_quota_that_stops_the_server(vcpu: float, slice_s: float) -> None:
    assert slicing_for(vcpu, servers=3).slice_s == pytest.approx(slice_s)


@pytest.mark.parametrize("vcpu", [0.25, 0.5, 1.0, 2.0])
def test_what_counts_of_all_slices_is_more_than_a_second(vcpu: float) -> None:
    slicing = slicing_for(vcpu, servers=60)
    assert slicing.passes * (slicing.slice_s - slicing.skipped_s) > 1.25


@pytest.mark.parametrize(("servers", "passes"), [(1, 64), (3, 64), (8, 58), (10, 43), (13, 32), (60, 32)])
def test_the_fewer_servers_there_are_the_more_slices_each_gets(servers: int, passes: int) -> None:
    slicing = slicing_for(1.0, servers)
    assert slicing.passes == passes
    assert slicing.most_passes == int(1.5 * passes)
    assert passes == MOST_PASSES or round_s(servers, slicing) > 0.98 * ROUND_S


@pytest.mark.slow
@pytest.mark.parallel
def test_a_closing_server_that_gives_no_answer_within_a_slice_is_counted_to_its_last_response() -> None:
    """None of its connections is open when the slice ends, since it has closed them, but it is not taken for dead."""

    def slow(client: Client, _: int) -> bool:
        time.sleep(0.15)
        client.send(CLOSE)
        return False

    with serving(slow) as server:
        host, port = server.address
        running = RunningServer(url=f"http://{host}:{port}", client_prefix=(), cpu_meter=None, exit_reason=lambda: None)
        slicing = Slicing(passes=4, most_passes=4, slice_s=0.1, skipped_s=0.02)
        setup = records.setup(server_cores=CORES[:1], generator_cores=CORES[-1:], warmup_s=0.2, users=4)
        (load,) = measure_round([running], setup, slicing, seed="1")
    assert load.server_gone is None
    assert [one.requests for one in load.slices] == [4, 4, 4, 4]
    counted = [one for one in load.slices if not one.disturbed or mostly_disturbed(load.slices)]
    assert load.sent == load.answered == 4 * len(counted)


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the servers' one environment."""
    return tmp_path_factory.mktemp("environments")


@pytest.fixture
def servers(environments: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "functools.partial[Candidate]":
    """A function that makes a candidate of a twist."""
    monkeypatch.setattr(process, "environment", functools.partial(environment, root=environments))
    return functools.partial(_candidate, tmp_path)


def _candidate(folder: Path, twist: str, name: str = "toy") -> Candidate:
    return Candidate(stack=programmed(folder / twist / name, name, twist))


def _measure(
    candidates: Mapping[str, Candidate], slicing: Slicing = SHORT, vcpu: float = 1.0, most_warmup_s: float = 0.0
) -> dict[str, Window]:
    cores = {"server_cores": CORES[:1], "generator_cores": CORES[1:] or CORES}
    setup = records.setup(**cores, warmup_s=0.2, most_warmup_s=most_warmup_s, users=16, vcpu=vcpu)
    blank = [records.window(name, 1, None) for name in candidates]
    return {one.cell: one for one in measure_in_turn(blank, setup, slicing, candidates, seed="1/1")}


def _measure_on_cores_of_our_own(
    candidates: Mapping[str, Candidate], slicing: Slicing = SHORT, *, most_warmup_s: float = 0.0
) -> dict[str, Window]:
    """Measure again while windows are disturbed; skip the test if the hypervisor still disturbs the last ones."""
    for _ in range(TRIES):
        found = _measure(candidates, slicing, most_warmup_s=most_warmup_s)
        loads = [one.load for one in found.values() if one.load is not None and mostly_disturbed(one.load.slices)]
        if not loads:
            return found
    if any(one.steal_s > 0 for load in loads for one in load.slices if one.disturbed):
        pytest.skip(f"the hypervisor took the cores away, {TRIES} times")
    return found


def _verdicts(window: Window) -> set[Verdict]:
    setup = records.setup(server_cores=CORES[:1], generator_cores=CORES[1:] or CORES)
    return set(verdicts(records.cell("toy+native"), [window] * 5, setup, Runtime.PROCESS))


def _per_cpu_s(window: Window) -> float:
    assert window.error is None
    found = requests_per_cpu_s(window.load)
    assert found is not None
    return found


@contextmanager
def _busy(cores: Sequence[int]) -> Iterator[None]:
    """Something else that wants the cores all the time."""
    code = f"import os; os.sched_setaffinity(0, {set(cores)})\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as other:
        try:
            yield
        finally:
            other.kill()


@contextmanager
def _bursts() -> Iterator[None]:
    """Something else that takes a random core for half a second, a quarter of the time."""
    ended = threading.Event()
    rng = random.Random(1)  # noqa: S311 -- not for secrets

    def burst() -> None:
        while not ended.is_set():
            with _busy([rng.choice(CORES)]):
                time.sleep(0.5)
            ended.wait(1.5)

    thread = threading.Thread(target=burst)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


needs_two_cores = pytest.mark.skipif(len(CORES) < 2, reason="one core is always shared")


@pytest.mark.slow
@needs_two_cores
def test_every_server_of_a_round_is_measured_as_it_was_programmed(servers: "functools.partial[Candidate]") -> None:
    candidates = {"costly": servers("costly"), "again": servers("costly", "again"), "good": servers("good")}
    found = _measure_on_cores_of_our_own(candidates)
    assert _per_cpu_s(found["costly"]) == pytest.approx(COSTLY_PER_CPU_S, rel=0.02)
    assert _per_cpu_s(found["again"]) == pytest.approx(COSTLY_PER_CPU_S, rel=0.02)
    assert _per_cpu_s(found["good"]) > 5 * COSTLY_PER_CPU_S
    load = found["costly"].load
    assert load is not None
    assert load.requests == sum(one.requests for one in load.slices if not one.disturbed)
    assert sum(not one.disturbed for one in load.slices) <= SHORT.passes
    assert load.littles_law_ratio == pytest.approx(1, abs=0.05)
    assert load.reconnects == 0
    assert load.failures == {}


@pytest.mark.slow
@needs_two_cores
def test_a_server_that_answers_once_or_twice_a_slice_is_measured_as_it_was_programmed(
    servers: "functools.partial[Candidate]",
) -> None:
    slicing = slicing_for(1.0, servers=13)
    found = _measure_on_cores_of_our_own({"slow": servers("slow"), "costly": servers("costly")}, slicing)
    assert _per_cpu_s(found["slow"]) == pytest.approx(SLOW_PER_CPU_S, rel=0.02)
    assert _per_cpu_s(found["costly"]) == pytest.approx(COSTLY_PER_CPU_S, rel=0.02)
    assert _verdicts(found["slow"]) == set()
    load = found["slow"].load
    assert load is not None
    assert sum(not one.disturbed for one in load.slices) == SLOW_PASSES
    assert load.sent == load.answered == load.requests
    assert load.connections_open_min == load.users


def _compiling(candidate: Candidate) -> Candidate:
    """Return a candidate that is taken to compile its code; its Python ignores the variable for a JIT."""
    return dataclasses.replace(candidate, python="3.15+jit")


@pytest.mark.slow
@needs_two_cores
def test_a_server_that_becomes_faster_is_measured_once_it_is_warm(servers: "functools.partial[Candidate]") -> None:
    """It costs four times as much at first, and a tenth more after 3,400 requests, which take it over three seconds."""
    candidates = {"warming": _compiling(servers("warming")), "costly": servers("costly")}
    found = _measure_on_cores_of_our_own(candidates, most_warmup_s=30.0)
    assert _per_cpu_s(found["warming"]) == pytest.approx(COSTLY_PER_CPU_S, rel=0.02)
    warming, costly = (found[name].load for name in candidates)
    assert warming is not None
    assert warming.warmup is not None
    assert warming.warmup.warm
    assert 1.5 < (warming.warmup.until_warm_s or 0) < 16
    assert 1000 < (warming.warmup.until_warm_requests or 0) < warming.warmup.requests / 2
    assert costly is not None
    assert costly.warmup is not None
    assert costly.warmup.duration_s < 3
    assert Verdict.NOT_WARM not in _verdicts(found["warming"]) | _verdicts(found["costly"])


@pytest.mark.slow
@needs_two_cores
@pytest.mark.parametrize("most_warmup_s", [0.0, 1.0])
def test_a_server_that_is_still_becoming_faster_is_not_warm(
    servers: "functools.partial[Candidate]", most_warmup_s: float
) -> None:
    found = _measure_on_cores_of_our_own({"warming": _compiling(servers("warming"))}, most_warmup_s=most_warmup_s)
    assert _per_cpu_s(found["warming"]) < 0.9 * COSTLY_PER_CPU_S
    setup = records.setup(server_cores=CORES[:1], generator_cores=CORES[1:] or CORES)
    several = [replace(found["warming"], round=number) for number in range(5)]
    assert Verdict.NOT_WARM in verdicts(records.cell("toy+native"), several, setup, Runtime.PROCESS)


@pytest.mark.slow
@needs_two_cores
def test_under_bursts_of_other_work_slices_are_made_again_and_the_rate_holds(
    servers: "functools.partial[Candidate]",
) -> None:
    with _bursts():
        found = _measure_on_cores_of_our_own({"costly": servers("costly"), "again": servers("costly", "again")})
    for window in found.values():
        assert _per_cpu_s(window) == pytest.approx(COSTLY_PER_CPU_S, rel=0.03)
        assert window.load is not None
        assert Verdict.DISTURBED not in _verdicts(window)
    assert any(one.disturbed for window in found.values() if window.load for one in window.load.slices)


@pytest.mark.slow
@needs_two_cores
@pytest.mark.parametrize("cores", [CORES[:1], CORES[1:]], ids=["server", "generator"])
def test_a_core_that_others_use_all_the_time_disturbs_the_window(
    servers: "functools.partial[Candidate]", cores: list[int]
) -> None:
    with _busy(cores):
        found = _measure({"good": servers("good")})
    assert Verdict.DISTURBED in _verdicts(found["good"])


WRONG = {
    "dying": Verdict.SERVER_DIED,
    "restarted": Verdict.RESTARTED,
    "wrong": Verdict.WRONG_ANSWERS,
    "closing": Verdict.CONNECTIONS,
    "lazy": Verdict.NOT_SATURATED,
}


@pytest.mark.slow
@needs_two_cores
@pytest.mark.parametrize("twists", [WRONG, {"restless": Verdict.DISTURBED}], ids=["at rest", "restless"])
def test_what_is_wrong_with_a_server_shows_in_its_window_alone(
    servers: "functools.partial[Candidate]", twists: Mapping[str, Verdict]
) -> None:
    found = _measure_on_cores_of_our_own({twist: servers(twist) for twist in (*twists, "costly")})
    for twist, verdict in twists.items():
        assert verdict in _verdicts(found[twist])
    assert _per_cpu_s(found["costly"]) == pytest.approx(COSTLY_PER_CPU_S, rel=0.05)


@pytest.fixture(scope="module")
def in_docker(toy_name: str, tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    """A server of known cost, built on slim."""
    stack = programmed(tmp_path_factory.mktemp("frameworks"), f"{toy_name}_costly", "costly")
    slim = images()["slim"]
    build_images([stack], [slim], report=lambda _: None)
    return Candidate(stack=stack, image=slim)


@needs_two_cores
@pytest.mark.parametrize("vcpu", [0.25, 0.5, 1.0])
def test_a_quota_does_not_change_the_rate_per_cpu_second(in_docker: Candidate, vcpu: float) -> None:
    """Each in a network namespace of its own, which one process loads in turn."""
    slicing = slicing_for(vcpu, servers=2)
    passes = max(8, round(LOADED_S / slicing.slice_s))
    short = replace(slicing, passes=passes, most_passes=2 * passes)
    found = _measure({"a": in_docker, "b": in_docker}, short, vcpu)
    for window in found.values():
        assert _per_cpu_s(window) == pytest.approx(COSTLY_PER_CPU_S, rel=0.02)
