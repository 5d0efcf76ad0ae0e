"""Cloud prices, each with its date, and the sizes that each offer provides."""

from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from common.catalog.sizes import Size
from common.errors import UsageError

TABLE = Path(__file__).with_name("prices.toml")
BYTES_PER_GB = 1024**3

Dollars = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]


class Storage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The price of storing images."""

    name: str
    region: str
    as_of: date
    gb_month: Dollars


class Compute(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The price of running a task."""

    name: str
    architecture: str
    region: str
    as_of: date
    vcpu_hour: Dollars
    gb_hour: Dollars
    public_ipv4_hour: Dollars = 0.0
    minimum_s: Annotated[float, Meta(ge=0)]
    sizes: str
    storage: str


class MemoryRange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Memory sizes in GB from ``first`` to ``last``, both included, in equal steps."""

    first: Annotated[int, Meta(gt=0)]
    last: int
    step: Annotated[int, Meta(gt=0)]


class SizeRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The memory sizes that go with one number of vCPUs."""

    vcpu: Positive
    memory_gb: list[Positive] | MemoryRange

    def sizes(self) -> tuple[Size, ...]:
        """Return every size of the row, the least memory first."""
        memory = self.memory_gb
        choices_gb = (
            range(memory.first, memory.last + 1, memory.step) if isinstance(memory, MemoryRange) else sorted(memory)
        )
        return tuple(Size(vcpu=self.vcpu, memory_bytes=round(memory_gb * BYTES_PER_GB)) for memory_gb in choices_gb)


class Prices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of ``prices.toml``."""

    compute: Annotated[list[Compute], Meta(min_length=1)]
    storage: list[Storage]
    sizes: dict[str, list[SizeRow]]
    sizes_as_of: dict[str, date]
    """The day on which each table of sizes was read from its source."""

    def sizes_of(self, offer: Compute) -> tuple[Size, ...]:
        """Return every valid size of an offer, the fewest vCPUs and the least memory first."""
        rows = sorted(self.sizes[offer.sizes], key=lambda row: row.vcpu)
        return tuple(size for row in rows for size in row.sizes())

    def storage_of(self, offer: Compute) -> Storage | None:
        """Return the newest price of the storage that an offer's images are kept in, ``None`` without one there."""
        rows = [row for row in self.storage if (row.name, row.region) == (offer.storage, offer.region)]
        return max(rows, key=lambda row: row.as_of, default=None)


def load_prices(table: Path = TABLE) -> Prices:
    """Return the prices in a file; raise ``UsageError`` naming what is invalid in it."""
    try:
        prices = msgspec.toml.decode(table.read_bytes(), type=Prices)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{table.name} is not a valid price table: {error}.") from error
    stores = {storage.name for storage in prices.storage}
    for offer in prices.compute:
        if offer.sizes not in prices.sizes or offer.storage not in stores:
            raise UsageError(
                f"{table.name}: {offer.name} refers to sizes {offer.sizes} and storage {offer.storage}: "
                f"sizes must be one of {', '.join(prices.sizes)}, storage one of {', '.join(stores)}."
            )
    return prices
