"""The task sizes that Fargate offers, from the dated table of prices."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from common.catalog.numbers import parse_decimal
from common.catalog.prices import load_prices
from common.catalog.sizes import Size
from common.errors import UsageError

TABLE = "fargate"
MIB = 1024**2


@cache
def valid_sizes() -> Mapping[float, tuple[int, ...]]:
    """Return the memory choices in MiB, smallest first, for each number of vCPUs."""
    rows = sorted(load_prices().sizes[TABLE], key=lambda row: row.vcpu)
    return {row.vcpu: tuple((size.memory_bytes or 0) // MIB for size in row.sizes()) for row in rows}


def parse_fargate_size(vcpu: str, memory: str | None) -> Size:
    """Return the size that ``VCPU=`` and ``MEMORY=`` name, by default with the least memory that goes with the vCPUs.

    ``UsageError`` lists the valid values.
    """
    if (vcpus := _parse_vcpus(vcpu)) not in valid_sizes():
        accepted = ", ".join(f"{choice:g}" for choice in valid_sizes())
        raise UsageError(f"invalid VCPU={vcpu}: must be one of Fargate's sizes, {accepted} ({_as_of()})")
    choices = valid_sizes()[vcpus]
    mib = choices[0] if memory is None else _parse_mib(memory)
    if mib not in choices:
        accepted = ", ".join(f"{choice}m" for choice in choices)
        raise UsageError(f"invalid MEMORY={memory}: on Fargate, VCPU={vcpus:g} goes with {accepted} ({_as_of()})")
    return Size(vcpu=vcpus, memory_bytes=mib * MIB)


def parse_fargate_sizes(vcpu: str, memory: str | None) -> tuple[Size, ...]:
    """Return the sizes that ``VCPU=`` lists, each with ``MEMORY=``; errors as ``parse_fargate_size``."""
    return tuple(dict.fromkeys(parse_fargate_size(choice.strip(), memory) for choice in vcpu.split(",")))


def with_minimum_memory(size: Size) -> Size:
    """Return ``size``, with the least memory that goes with its vCPUs if it has none.

    ``UsageError`` as ``parse_fargate_size``.
    """
    if size.memory_bytes is not None:
        return size
    return replace(size, memory_bytes=parse_fargate_size(f"{size.vcpu:g}", None).memory_bytes)


def _as_of() -> str:
    return f"as of {load_prices().sizes_as_of[TABLE]}"


def _parse_vcpus(text: str) -> float:
    """Parse a number of vCPUs; NaN, which equals no size, if it is not a number."""
    try:
        return parse_decimal(text.strip())
    except ValueError:
        return math.nan


def _parse_mib(text: str) -> int | None:
    """Parse memory as ``MEMORY=`` gives it everywhere (``512m``, ``2g``); ``None`` unless it is whole mebibytes."""
    match = re.fullmatch(r"([0-9]{1,18})\s*([kmg])i?b?", text.strip().casefold())
    if match is None:
        return None
    mib, remainder_kib = divmod(int(match[1]) * 1024 ** "kmg".index(match[2]), 1024)
    return None if remainder_kib else mib
