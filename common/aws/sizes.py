"""The sizes that Fargate gives, from the dated table of prices."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from common.catalog.prices import load_prices
from common.catalog.sizes import Size
from common.errors import UsageError

TABLE = "fargate"
MIB = 1024**2


@cache
def valid_sizes() -> Mapping[float, tuple[int, ...]]:
    """The memory in MiB, smallest first, that each number of vCPUs may be given."""
    rows = sorted(load_prices().sizes[TABLE], key=lambda row: row.vcpu)
    return {row.vcpu: tuple((size.memory_bytes or 0) // MIB for size in row.sizes()) for row in rows}


def parse_fargate_size(vcpu: str, memory: str | None) -> Size:
    """The size that ``VCPU=`` and ``MEMORY=`` name; without ``MEMORY=`` the least that goes with the vCPUs.

    ``UsageError`` lists what is valid.
    """
    if (cpus := _number(vcpu)) not in valid_sizes():
        accepted = ", ".join(f"{one:g}" for one in valid_sizes())
        raise UsageError(f"VCPU={vcpu} is no Fargate size. Accepted: {accepted} ({_dated()}).")
    memories = valid_sizes()[cpus]
    mib = memories[0] if memory is None else _mib(memory)
    if mib not in memories:
        accepted = ", ".join(f"{one}m" for one in memories)
        raise UsageError(f"MEMORY={memory} is no Fargate size at VCPU={cpus:g}. Accepted: {accepted} ({_dated()}).")
    return Size(vcpu=cpus, memory_bytes=mib * MIB)


def parse_fargate_sizes(vcpu: str, memory: str | None) -> tuple[Size, ...]:
    """The sizes that ``VCPU=`` lists, each with ``MEMORY=``; errors as ``read_size``."""
    return tuple(dict.fromkeys(parse_fargate_size(one.strip(), memory) for one in vcpu.split(",")))


def with_minimum_memory(size: Size) -> Size:
    """``size``, with the least memory that goes with its vCPUs where it has none; ``UsageError`` as ``read_size``."""
    return (
        size
        if size.memory_bytes is not None
        else replace(size, memory_bytes=parse_fargate_size(f"{size.vcpu:g}", None).memory_bytes)
    )


def _dated() -> str:
    return f"as of {load_prices().seen[TABLE]}"


def _number(text: str) -> float:
    """Not a number for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _mib(text: str) -> int:
    """Mebibytes as ``MEMORY=`` gives them everywhere: ``512m``, ``2g``; -1 for what is no memory."""
    found = re.fullmatch(r"([0-9]+)\s*([kmg])i?b?", text.strip().casefold())
    if found is None:
        return -1
    mib, kib = divmod(int(found[1]) * 1024 ** "kmg".index(found[2]), 1024)
    return -1 if kib else mib
