"""Server and generator get cores of their own, and share a physical core only if there is no other way."""

import itertools
import math
import os
from pathlib import Path

import pytest

from common.host.cores import Cores, parse_cpu_list, split_cores, thread_siblings

PAIRS = {0: (0, 4), 1: (1, 5), 2: (2, 6), 3: (3, 7), 4: (0, 4), 5: (1, 5), 6: (2, 6), 7: (3, 7)}
"""Four physical cores with two hardware threads each, numbered as most x86 machines do."""
HYBRID = {0: (0, 1), 1: (0, 1), 2: (2, 3), 3: (2, 3), 4: (4,), 5: (5,)}
"""Two cores with two hardware threads and two with one."""


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
