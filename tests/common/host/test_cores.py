"""Server and generator share a physical core only if they must; busy time of cores is exact, or unknown."""

import itertools
import math
import os
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from common.host.cores import (
    BusySource,
    Cores,
    CoreTimes,
    core_busy_s,
    core_busy_source,
    core_times,
    parse_cpu_list,
    split_cores,
    thread_siblings,
)

PAIRS = {0: (0, 4), 1: (1, 5), 2: (2, 6), 3: (3, 7), 4: (0, 4), 5: (1, 5), 6: (2, 6), 7: (3, 7)}
"""Four physical cores with two hardware threads each, numbered as most x86 machines do."""
HYBRID = {0: (0, 1), 1: (0, 1), 2: (2, 3), 3: (2, 3), 4: (4,), 5: (5,)}
"""Two cores with two hardware threads and two with one."""
NOWHERE = Path("/nowhere")
BURN = "import time\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass"
CORE = max(os.sched_getaffinity(0))
SCHEDSTAT = """version {version}
timestamp 4294937296
cpu0 0 0 1 1 1 1 2500000000 7 1
domain0 3 0 0
cpu1 0 0 1 1 1 1 123456789 7 1
domain0 3 0 0
"""


@pytest.mark.parametrize(
    ("vcpu", "available", "server", "generator"),
    [
        (0.25, [0, 1], (0,), (1,)),
        (1, [0, 1, 2, 3], (0,), (1, 2, 3)),
        (1.5, [3, 2, 5], (2, 3), (5,)),
        (2, [0, 1], (0, 1), (0, 1)),
        (4, [0, 1], (0, 1), (0, 1)),
        (1, [7], (7,), (7,)),
    ],
)
def test_server_gets_the_first_cores_and_the_generator_the_rest(
    vcpu: float, available: list[int], server: tuple[int, ...], generator: tuple[int, ...]
) -> None:
    assert split_cores(vcpu, available, siblings={}) == Cores(server=server, generator=generator)


@pytest.mark.parametrize(
    ("vcpu", "siblings", "available", "server", "generator"),
    [
        pytest.param(1, PAIRS, range(8), (0,), (1, 2, 3, 5, 6, 7), id="the sibling stays idle"),
        pytest.param(2, PAIRS, range(8), (0, 4), (1, 2, 3, 5, 6, 7), id="a physical core is filled first"),
        pytest.param(6, PAIRS, range(8), (0, 1, 2, 4, 5, 6), (3, 7), id="the last physical core is left"),
        pytest.param(8, PAIRS, range(8), tuple(range(8)), tuple(range(8)), id="all cores are shared"),
        pytest.param(1, PAIRS, [0, 1, 5], (1,), (0,), id="a sibling that may not be used does not count"),
        pytest.param(2, {1: (1, 2), 2: (1, 2)}, range(3), (1, 2), (0,), id="not the first cores"),
        pytest.param(5, HYBRID, range(6), (0, 1, 2, 3, 4), (5,), id="physical cores of two kinds"),
    ],
)
def test_siblings_are_kept_together(
    vcpu: float,
    siblings: dict[int, tuple[int, ...]],
    available: list[int],
    server: tuple[int, ...],
    generator: tuple[int, ...],
) -> None:
    assert split_cores(vcpu, available, siblings=siblings) == Cores(server=server, generator=generator)


@pytest.mark.parametrize(
    ("vcpu", "available", "server", "generator"),
    [(7, range(8), (0, 1, 2, 3, 4, 5, 6), (7,)), (1, [0, 4], (0,), (4,)), (3, [0, 1, 4, 5], (0, 1, 4), (5,))],
)
def test_siblings_that_have_to_be_split_are_reported(
    vcpu: float, available: list[int], server: tuple[int, ...], generator: tuple[int, ...]
) -> None:
    assert split_cores(vcpu, available, siblings=PAIRS) == Cores(
        server=server, generator=generator, split_siblings=True
    )


@pytest.mark.parametrize("siblings", [PAIRS, HYBRID])
def test_siblings_are_split_only_if_every_choice_of_server_cores_splits_them(
    siblings: dict[int, tuple[int, ...]],
) -> None:
    for size in range(1, len(siblings) + 1):
        for available in itertools.combinations(siblings, size):
            for vcpu in range(1, size):
                cores = split_cores(vcpu, available, siblings=siblings)
                mixed = any(set(siblings[core]) & set(cores.server) for core in cores.generator)
                assert mixed == cores.split_siblings
                assert len(cores.server) == math.ceil(vcpu)
                possible = any(
                    any(not set(siblings[core]) & set(choice) for core in set(available) - set(choice))
                    for choice in itertools.combinations(available, vcpu)
                )
                assert cores.split_siblings == (not possible)


@pytest.mark.parametrize(
    ("text", "cores"),
    [("0\n", (0,)), ("0-3\n", (0, 1, 2, 3)), ("0,4\n", (0, 4)), ("0-1,8,10-11", (0, 1, 8, 10, 11)), ("\n", ())],
)
def test_cpu_lists_of_the_kernel_are_parsed(text: str, cores: tuple[int, ...]) -> None:
    assert parse_cpu_list(text) == cores


def test_siblings_are_read_from_the_topology(tmp_path: Path) -> None:
    for core, text in {0: "0,2", 2: "0,2"}.items():
        topology = tmp_path / f"cpu{core}" / "topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{text}\n")
    assert thread_siblings([0, 1, 2], cpus=tmp_path) == {0: (0, 2), 1: (1,), 2: (0, 2)}


def test_cores_of_this_machine_can_be_split() -> None:
    available = os.sched_getaffinity(0)
    cores = split_cores(1)
    assert set(cores.server) | set(cores.generator) <= available
    assert cores.shared == (len(available) == 1)


@pytest.fixture
def cgroup(tmp_path: Path) -> Path:
    """A root control group of v1 with two cores."""
    folder = tmp_path / "cgroup"
    (folder / "cpuacct").mkdir(parents=True)
    (folder / "cpuacct" / "release_agent").touch()
    (folder / "cpuacct" / "cpuacct.usage_percpu").write_text("1500000000 250000000 \n")
    (tmp_path / "possible").write_text("0-1\n")
    return folder


@pytest.fixture
def schedstat(tmp_path: Path) -> Path:
    (tmp_path / "schedstat").write_text(SCHEDSTAT.format(version=15))
    return tmp_path / "schedstat"


@pytest.fixture
def visited(monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    """The affinities that this thread is given, without effect."""
    calls: list[set[int]] = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: calls.append(set(cores)))
    return calls


def test_ticks_are_summed_over_cores(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  3 0 0 0 0 0 0 2 0 0\ncpu0 1 2 3 400 50 6 7 8 0 0\ncpu1 10 0 0 0 0 0 0 1 0 0\nintr 5\n")
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    first, second, everywhere = core_times([0], [0, 1], None, stat=stat)
    assert (first.busy_s, first.steal_s) == pytest.approx((19 * tick_s, 8 * tick_s))
    difference = second.since(first)
    assert (difference.busy_s, difference.steal_s) == pytest.approx((10 * tick_s, 1 * tick_s))
    assert everywhere == CoreTimes(busy_s=3 * tick_s, steal_s=2 * tick_s)


def test_control_group_is_read_in_nanoseconds(cgroup: Path, tmp_path: Path) -> None:
    assert core_busy_source(cgroup=cgroup, schedstat=NOWHERE) is BusySource.CPUACCT
    busy_s = core_busy_s([1, 0], cgroup=cgroup, schedstat=NOWHERE, possible=tmp_path / "possible")
    assert busy_s == {1: 0.25, 0: 1.5}


def test_control_group_of_a_container_is_not_taken_for_the_root(cgroup: Path) -> None:
    (cgroup / "cpuacct" / "release_agent").unlink()
    assert core_busy_source(cgroup=cgroup, schedstat=NOWHERE) is None
    assert core_busy_s([0], cgroup=cgroup, schedstat=NOWHERE) is None


def test_scheduler_statistics_are_read_on_the_core_itself(schedstat: Path, visited: list[set[int]]) -> None:
    before = os.sched_getaffinity(0)
    assert core_busy_source(cgroup=NOWHERE, schedstat=schedstat) is BusySource.SCHEDSTAT
    assert core_busy_s([1, 0], cgroup=NOWHERE, schedstat=schedstat) == {1: 0.123456789, 0: 2.5}
    assert visited == [{1}, {0}, before]


@pytest.mark.parametrize(("version", "known"), [(14, False), (15, True), (16, True), (17, True), (18, False)])
def test_only_known_versions_of_the_scheduler_statistics_are_read(
    schedstat: Path,
    version: int,
    known: bool,  # noqa: FBT001 -- a row of the table
) -> None:
    schedstat.write_text(SCHEDSTAT.format(version=version))
    assert (core_busy_source(cgroup=NOWHERE, schedstat=schedstat) is not None) == known


def test_busy_time_is_unknown_where_this_process_may_not_run(schedstat: Path) -> None:
    schedstat.write_text(schedstat.read_text().replace("cpu1", "cpu99999"))
    before = os.sched_getaffinity(0)
    assert core_busy_s([99_999], cgroup=NOWHERE, schedstat=schedstat) is None
    assert os.sched_getaffinity(0) == before


def _pin_to_core() -> None:
    os.sched_setaffinity(0, {CORE})
    with suppress(PermissionError):  # as root, keep whatever else runs on this machine off the core meanwhile
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def _own_and_read_s() -> tuple[float, float]:
    """Burn CPU time on one core; return how much it was, and by how much the core's busy time has grown."""
    before, own_before = core_busy_s([CORE]), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", BURN], preexec_fn=_pin_to_core, check=True)
    after, own_after = core_busy_s([CORE]), resource.getrusage(resource.RUSAGE_CHILDREN)
    assert before is not None
    assert after is not None
    own_s = own_after.ru_utime + own_after.ru_stime - own_before.ru_utime - own_before.ru_stime
    return own_s, after[CORE] - before[CORE]


@pytest.mark.slow
@pytest.mark.skipif(core_busy_source() is None, reason="this kernel keeps no exact busy time of cores")
def test_known_load_is_read_within_two_percent() -> None:
    """Others may use the core as well, which adds to one reading or another but takes nothing from any."""
    ratios: list[float] = []
    while len(ratios) < 3 or (min(ratios) > 1.02 and len(ratios) < 10):
        own_s, read_s = _own_and_read_s()
        ratios.append(read_s / own_s)
    assert 0.98 < min(ratios) < 1.02, ratios


STAT = """\
cpu  1000 100 200 5000 50 10 20 7 0 0
cpu0 600 0 100 2500 25 5 10 3 0 0
cpu1 400 100 100 2500 25 5 10 4 0 0
cpu10 9 9 9 9 9 9 9 9 0 0
intr 5
"""


@pytest.mark.parametrize(
    ("cores", "busy", "steal"), [(None, 1330, 7), ([0], 715, 3), ([0, 1], 1330, 7), ([10], 45, 9), ([], 0, 0)]
)
def test_times_of_cores_are_sums_over_the_kernels_table(
    tmp_path: Path, cores: list[int] | None, busy: int, steal: int
) -> None:
    (tmp_path / "stat").write_text(STAT)
    (found,) = core_times(cores, stat=tmp_path / "stat")
    ticks = os.sysconf("SC_CLK_TCK")
    assert found.busy_s == pytest.approx(busy / ticks)
    assert found.steal_s == pytest.approx(steal / ticks)


def test_times_since_a_reading_are_the_difference(tmp_path: Path) -> None:
    (tmp_path / "before").write_text(STAT)
    (tmp_path / "after").write_text(STAT.replace("cpu0 600 0", "cpu0 650 0"))
    (before,), (after,) = (core_times([0], stat=tmp_path / name) for name in ("before", "after"))
    found = after.since(before)
    assert found.busy_s == pytest.approx(50 / os.sysconf("SC_CLK_TCK"))
    assert found.steal_s == 0
