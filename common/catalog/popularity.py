"""Usage and maintenance of each package, from a dated file; shown to users, never used for ranking."""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from common.errors import UsageError

TABLE = Path(__file__).with_name("popularity.toml")
FRESH_FOR = timedelta(days=183)

Count = Annotated[int, Meta(ge=0)]
Month = Annotated[str, Meta(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]


class Source(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The source of some numbers, and their date."""

    what: str
    name: str
    as_of: date


class Usage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The figures of one package; ``None`` where no source has one."""

    stars: Count | None = None
    stars_as_of: date | None = None
    stars_source: str | None = None
    downloads: Count | None = None
    """Downloads in the 30 days before the date of the source ``downloads``."""
    last_release: Month | None = None
    health: str | None = None


class Popularity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of ``popularity.toml``."""

    sources: dict[str, Source]
    packages: dict[str, Usage]

    def outdated(self, today: date) -> tuple[Source, ...]:
        """Return the sources whose numbers are older than six months."""
        return tuple(source for source in self.sources.values() if today - source.as_of > FRESH_FOR)

    def most_used(self) -> dict[str, Usage]:
        """Return the packages by name, the most downloaded first; those whose downloads are unknown last."""
        return dict(sorted(self.packages.items(), key=lambda item: (-(item[1].downloads or 0), item[0])))

    def sentence(self, package: str) -> str | None:
        """Return in words what is known of a package, each number with its date; ``None`` if nothing is."""
        usage = self.packages.get(package)
        if usage is None:
            return None
        known = (
            usage.downloads and f"{usage.downloads:,} downloads in 30 days ({self.sources['downloads'].as_of:%Y-%m})",
            usage.stars and f"{usage.stars:,} GitHub stars ({usage.stars_as_of:%Y-%m})",
            usage.last_release and f"last release {usage.last_release}",
            usage.health,
        )
        return ", ".join(part for part in known if part) or None


def load_popularity(table: Path = TABLE) -> Popularity:
    """Return the content of a file; raise ``UsageError`` naming what is invalid in it."""
    try:
        popularity = msgspec.toml.decode(table.read_bytes(), type=Popularity)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{table.name} is not a valid table of popularity: {error}.") from error
    for name, usage in popularity.packages.items():
        if usage.stars is not None and (usage.stars_as_of is None or usage.stars_source not in popularity.sources):
            raise UsageError(
                f"{table.name}: the stars of {name} need stars_as_of and a stars_source. "
                f"Accepted: {', '.join(popularity.sources)}."
            )
    return popularity
