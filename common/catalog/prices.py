"""The dated table of what clouds ask for, and of the sizes that they give."""

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
    """What keeping images costs."""

    name: str
    region: str
    as_of: date
    gb_month: Dollars


class Compute(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What running a task costs."""

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


class Steps(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Memory from ``first`` to ``last`` in equal steps."""

    first: Annotated[int, Meta(gt=0)]
    last: int
    step: Annotated[int, Meta(gt=0)]


class Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The memory that a number of vCPUs may be given."""

    vcpu: Positive
    memory_gb: list[Positive] | Steps

    def sizes(self) -> tuple[Size, ...]:
        """Every size of the row, the least memory first."""
        found = self.memory_gb
        several = range(found.first, found.last + 1, found.step) if isinstance(found, Steps) else sorted(found)
        return tuple(Size(vcpu=self.vcpu, memory_bytes=round(one * BYTES_PER_GB)) for one in several)


class Prices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole table."""

    compute: Annotated[list[Compute], Meta(min_length=1)]
    storage: list[Storage]
    sizes: dict[str, list[Row]]
    seen: dict[str, date]
    """When each table of sizes was read at its source."""

    def valid(self, offer: Compute) -> tuple[Size, ...]:
        """Every size that an offer gives, the fewest vCPUs and the least memory first."""
        rows = sorted(self.sizes[offer.sizes], key=lambda row: row.vcpu)
        return tuple(size for row in rows for size in row.sizes())

    def stored(self, offer: Compute) -> Storage:
        """Where an offer's images are kept."""
        return next(one for one in self.storage if one.name == offer.storage)


def load_prices(table: Path = TABLE) -> Prices:
    """The table in a file; ``UsageError`` names what is wrong in it."""
    try:
        prices = msgspec.toml.decode(table.read_bytes(), type=Prices)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{table.name} is no table of prices: {error}.") from error
    stores = {one.name for one in prices.storage}
    for offer in prices.compute:
        if offer.sizes not in prices.sizes or offer.storage not in stores:
            raise UsageError(
                f"{table.name}: {offer.name} names sizes {offer.sizes!r} and storage {offer.storage!r}. "
                f"Accepted: sizes {', '.join(prices.sizes)}; storage {', '.join(stores)}."
            )
    return prices
