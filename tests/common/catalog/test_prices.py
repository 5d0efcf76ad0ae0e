"""The dated table of prices is read whole, or what is wrong in it is named."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from common.catalog.prices import TABLE, SizeRow, load_prices
from common.errors import UsageError

GB = 1024**3


def test_the_table_of_prices_is_read_with_its_dates_and_valid_sizes() -> None:
    prices = load_prices()
    x86 = next(offer for offer in prices.compute if offer.name == "fargate-x86")
    sizes = prices.sizes_of(x86)
    storage = prices.storage_of(x86)
    assert storage is not None
    assert (x86.vcpu_hour, x86.gb_hour, storage.gb_month) == (0.04048, 0.004445, 0.10)
    assert x86.as_of.year >= 2026
    assert [one.memory_bytes for one in sizes if one.vcpu == 0.25] == [GB // 2, GB, 2 * GB]
    assert [(one.memory_bytes or 0) / GB for one in sizes if one.vcpu == 8] == list(range(16, 61, 4))
    assert len(sizes) == 3 + 4 + 7 + 13 + 23 + 12 + 12


def test_another_offer_needs_no_code(tmp_path: Path) -> None:
    text = TABLE.read_text()
    row = text[text.index("[[compute]]") : text.index("[[compute]]", text.index("[[compute]]") + 1)]
    table = tmp_path / "prices.toml"
    table.write_text(text + row.replace("fargate-x86", "elsewhere"))
    assert "elsewhere" in [offer.name for offer in load_prices(table).compute]


def test_sizes_come_in_order_however_a_table_lists_them() -> None:
    prices = load_prices()
    rows = [SizeRow(vcpu=1, memory_gb=[2]), SizeRow(vcpu=0.25, memory_gb=[2, 0.5, 1])]
    known = replace(prices, sizes={prices.compute[0].sizes: rows}).sizes_of(prices.compute[0])
    assert [(one.vcpu, one.memory_bytes) for one in known] == [(0.25, GB // 2), (0.25, GB), (0.25, 2 * GB), (1, 2 * GB)]


def test_images_are_stored_at_the_newest_price_of_the_offers_own_region() -> None:
    prices = load_prices()
    (offer, *_), (row, *_) = prices.compute, prices.storage
    newer = replace(row, as_of=row.as_of + timedelta(days=1), gb_month=0.2)
    elsewhere = replace(newer, region="eu-central-1", as_of=row.as_of + timedelta(days=2))
    known = replace(prices, storage=[elsewhere, row, newer, replace(elsewhere, region=row.region, name="other")])
    assert known.storage_of(offer) == newer
    assert known.storage_of(replace(offer, region="eu-central-1")) == elsewhere
    assert known.storage_of(replace(offer, region="nowhere")) is None


@pytest.mark.parametrize(
    ("old", "new", "seen"),
    [
        ("vcpu_hour = 0.04048", 'vcpu_hour = "much"', "compute"),
        ("vcpu_hour = 0.04048", "vcpu_hour = -1", "compute"),
        ('sizes = "fargate"', 'sizes = "farget"', "sizes farget"),
        ('storage = "ecr"', 'storage = "ecrs"', "storage ecrs"),
        ("minimum_s = 60 #", "minimum = 60 #", "minimum"),
        ("[[compute]]", "[[compute", "is not a valid price table"),
    ],
)
def test_a_wrong_table_is_named_with_what_is_wrong(tmp_path: Path, old: str, new: str, seen: str) -> None:
    text = TABLE.read_text()
    table = tmp_path / "prices.toml"
    table.write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError, match=rf"prices\.toml.*{seen}"):
        load_prices(table)
