"""Fargate's sizes are read whatever this machine has, and others are refused."""

import pytest

from common.aws.sizes import parse_fargate_sizes, valid_sizes, with_minimum_memory
from common.catalog.prices import load_prices
from common.catalog.runtimes import Runtime
from common.catalog.sizes import Size
from common.errors import UsageError
from common.runtimes.candidates import parse_size

GIB = 1024**3
SMALL = Size(vcpu=0.25, memory_bytes=GIB // 2)


@pytest.mark.parametrize(
    ("vcpu", "memory", "vcpus", "memory_bytes"),
    [
        ("0.25", None, 0.25, GIB // 2),
        (".25", "512m", 0.25, GIB // 2),
        ("1", "8g", 1, 8 * GIB),
        ("2", None, 2, 4 * GIB),
        ("4", "30720m", 4, 30 * GIB),
        ("8", "20G", 8, 20 * GIB),
        ("16", "120GiB", 16, 120 * GIB),
    ],
)
def test_a_valid_size_is_accepted_whatever_this_machine_has(
    vcpu: str, memory: str | None, vcpus: float, memory_bytes: int
) -> None:
    assert parse_size(Runtime.FARGATE, vcpu, memory) == Size(vcpu=vcpus, memory_bytes=memory_bytes)


@pytest.mark.parametrize(
    ("vcpu", "memory", "accepted"),
    [
        ("3", None, "0.25, 0.5, 1, 2, 4, 8, 16"),
        ("abc", None, "0.25"),
        ("nan", None, "0.25"),
        ("-1", None, "0.25"),
        ("0.25", "4g", "512m, 1024m, 2048m"),
        ("0.25", "513m", "512m"),
        ("0.25", "524289k", "512m"),
        ("0.25", "half", "512m"),
        ("8", "17g", "16384m, 20480m"),
        ("16", "1g", "32768m, 40960m"),
    ],
)
def test_an_invalid_size_is_refused_with_the_valid_sizes_and_their_date(
    vcpu: str, memory: str | None, accepted: str
) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_size(Runtime.FARGATE, vcpu, memory)
    assert accepted in str(refusal.value)
    assert str(load_prices().sizes_as_of["fargate"]) in str(refusal.value)


def test_the_number_of_sizes_matches_amazons_table() -> None:
    assert {vcpu: len(memories) for vcpu, memories in valid_sizes().items()} == {
        0.25: 3, 0.5: 4, 1: 7, 2: 13, 4: 23, 8: 12, 16: 12,
    }  # fmt: skip


def test_a_size_without_memory_gets_the_least_available() -> None:
    assert with_minimum_memory(Size(vcpu=2)) == Size(vcpu=2, memory_bytes=4 * GIB)
    assert with_minimum_memory(SMALL) is SMALL


def test_each_size_in_a_list_is_read_once() -> None:
    assert parse_fargate_sizes("0.25, 1,0.25", None) == (SMALL, Size(vcpu=1, memory_bytes=2 * GIB))
    with pytest.raises(UsageError, match=r"invalid MEMORY=8g: on Fargate, VCPU=0\.25 goes with 512m"):
        parse_fargate_sizes("1,0.25", "8g")
