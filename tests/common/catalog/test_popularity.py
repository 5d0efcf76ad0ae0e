"""The dated table of popularity is read whole, or what is wrong in it is named."""

from datetime import date
from pathlib import Path

import pytest

from common.catalog.frameworks import frameworks
from common.catalog.popularity import TABLE, Popularity, Source, Usage, load_popularity
from common.catalog.servers import SERVERS
from common.errors import UsageError


def test_default_frameworks_and_all_servers_have_a_row() -> None:
    """A framework that somebody adds needs none: its numbers are unknown."""
    default = {one.distribution for one in frameworks().values() if one.default and one.distribution}
    servers = {server.requirements[0].partition("==")[0] for server in SERVERS.values() if server.requirements}
    assert default | servers <= set(load_popularity().packages)


def test_most_downloaded_package_comes_first_and_unknown_ones_last() -> None:
    downloads = [usage.downloads for usage in load_popularity().most_used().values()]
    known = [value for value in downloads if value is not None]
    assert known == sorted(known, reverse=True)
    assert downloads[len(known) :] == [None] * (len(downloads) - len(known))


def test_source_is_outdated_after_six_months() -> None:
    popularity = load_popularity()
    assert popularity.outdated(date(2026, 9, 30)) == ()
    assert popularity.outdated(date(2026, 10, 2)) == (popularity.sources["downloads"],)


def test_what_is_known_of_a_package_is_said_with_its_dates() -> None:
    popularity = Popularity(
        sources={"downloads": Source(what="downloads", name="a list", as_of=date(2026, 4, 1))},
        packages={
            "known": Usage(
                downloads=1234567, stars=321, stars_as_of=date(2026, 8, 3), last_release="2026-11", health="slow"
            ),
            "partly": Usage(last_release="2020-02"),
            "nothing": Usage(),
        },
    )
    assert popularity.sentence("known") == (
        "1,234,567 downloads in 30 days (2026-04), 321 GitHub stars (2026-08), last release 2026-11, slow"
    )
    assert popularity.sentence("partly") == "last release 2020-02"
    assert popularity.sentence("nothing") is popularity.sentence("unheard of") is None


@pytest.mark.parametrize(
    ("old", "new", "seen"),
    [
        ("stars = 101223", "stars = -1", "stars"),
        ('last_release = "2026-11"', 'last_release = "November"', "last_release"),
        ("stars_as_of = 2026-08-03", "", "the stars of fastapi need stars_as_of and a stars_source"),
        (
            'stars_source = "web-frameworks"',
            'stars_source = "hearsay"',
            "Accepted: releases, downloads, web-frameworks",
        ),
        ('health = "healthy"', 'fame = "great"', "fame"),
        ("[sources.downloads]", "[sources.downloads", "is not a valid table"),
    ],
)
def test_wrong_table_is_named_with_what_is_wrong(tmp_path: Path, old: str, new: str, seen: str) -> None:
    table = tmp_path / "popularity.toml"
    table.write_text(TABLE.read_text().replace(old, new, 1))
    with pytest.raises(UsageError, match=rf"popularity\.toml.*{seen}"):
        load_popularity(table)
