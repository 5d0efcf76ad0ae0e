"""Tests that the inventory names everything that can be selected, and says in words what is not available and why."""

import io
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from common.catalog import inventory
from common.catalog.frameworks import Framework, frameworks
from common.catalog.inventory import TABLE, Popularity, Source, Usage, load_popularity
from common.catalog.servers import SERVERS
from common.catalog.stacks import images
from common.console import Terminal
from common.errors import UsageError

KNOWN = frameworks()
TODAY = date(2026, 9, 1)
PACKAGES = load_popularity().most_used()
NO_ENGINE = "no Docker engine answers"


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


def tables(known: dict[str, Framework] = KNOWN, engine_error: str | None = None) -> str:
    """Return the inventory as it is printed into a file."""
    buffer = io.StringIO()
    Console(file=buffer, width=200).print(inventory.as_tables(known, engine_error, today=TODAY))
    return buffer.getvalue()


def document(engine_error: str | None = None) -> Any:  # noqa: ANN401 -- JSON
    """Return the inventory as parsed JSON."""
    return json.loads(inventory.as_json(KNOWN, engine_error))


def row(name: str, text: str) -> str:
    """Return the row of a table that begins with ``name``."""
    return next(line for line in text.splitlines() if line.startswith(f"{name} "))


def test_tables_and_json_name_everything_that_can_be_selected() -> None:
    names = [*KNOWN, *SERVERS, *images(), "process", "docker", "fargate", *PACKAGES]
    printed, parts = tables(), document()
    del parts["sources"]
    assert [name for name in names if row(name, printed)] == names
    assert [name for part in parts.values() for name in part] == names


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_tables_name_everything_on_a_terminal_of_any_width(width: int) -> None:
    buffer = io.StringIO()
    terminal = Terminal(results=Console(file=buffer, width=width, highlight=False, markup=False))
    for part in inventory.as_tables(KNOWN, None, today=TODAY).renderables:
        terminal.show(part)
    for name in (*KNOWN, *SERVERS, *images(), *PACKAGES):
        assert row(name, buffer.getvalue())


def test_every_cell_of_the_tables_has_a_text() -> None:
    parts = [part for part in inventory.as_tables(KNOWN, None, today=TODAY).renderables if isinstance(part, Table)]
    cells = [str(cell) for table in parts for column in table.columns for cell in list(column.cells)[:-1]]
    assert len(cells) > 100
    assert {"", "-"}.isdisjoint(cells)


def test_floor_and_missing_lock_are_told_apart(tmp_path_factory: pytest.TempPathFactory) -> None:
    unlocked = replace(KNOWN["flask"], folder=tmp_path_factory.mktemp("flask"))
    printed = tables(KNOWN | {"flask": unlocked})
    assert "none (a floor)" in row("raw_wsgi", printed)
    assert "not locked; run make lock FRAMEWORK=flask" in row("flask", printed)
    assert document()["frameworks"]["raw_wsgi"]["distribution"] is None
    assert document()["frameworks"]["raw_wsgi"]["locked"]


def test_unavailable_combination_is_printed_with_its_reason() -> None:
    assert "not on alpine: zope-interface" in row("gunicorn-gevent", tables())
    assert "everywhere" in row("waitress", tables())
    needy = replace(KNOWN["flask"], requires_python=">=3.14")
    assert "on Python >=3.14 only" in row("flask", tables(KNOWN | {"flask": needy}))


@pytest.mark.parametrize(("engine_error", "expected"), [(None, "yes"), (NO_ENGINE, f"no: {NO_ENGINE}")])
def test_docker_runtime_says_whether_an_engine_answers(engine_error: str | None, expected: str) -> None:
    assert row("docker", tables(engine_error=engine_error)).split(maxsplit=1)[1].strip() == expected
    runtime = document(engine_error)["runtimes"]["docker"]
    assert runtime == {"available": engine_error is None, "reason": engine_error}


def test_server_says_what_happens_to_connections_and_to_other_requests() -> None:
    assert "closed" in row("gunicorn-sync", tables())
    assert "one at a time" in row("gunicorn-sync", tables())
    assert not document()["servers"]["gunicorn-sync"]["concurrent"]


def test_packages_for_an_event_loop_are_told_from_those_that_a_server_always_needs() -> None:
    granian = document()["servers"]["granian"]
    assert [needed.partition("==")[0] for needed in granian["requirements"]] == ["granian"]
    assert [needed.partition("==")[0] for needed in granian["loop_requirements"]] == ["uvloop"]


def test_server_of_one_process_says_so() -> None:
    assert {name for name, one in document()["servers"].items() if not one["processes"]} == {
        "waitress",
        "cheroot",
        "daphne",
    }
    assert "one per vCPU" in row("uvicorn", tables())
    assert "one per vCPU" not in row("daphne", tables())


def test_default_frameworks_are_marked() -> None:
    assert "by default" in row("flask", tables())
    assert "if named" in row("quart", tables())
    assert document()["frameworks"]["flask"]["default"]


def test_package_is_printed_with_what_is_known_of_it_and_what_is_not() -> None:
    printed = tables().partition("PACKAGE")[2]
    assert row("starlette", printed).split()[1:] == ["383,061,034", "12,429", "(2026-06)", "2026-10", "healthy"]
    assert row("django-bolt", printed).split()[1:3] == ["unknown", "unknown"]
    assert document()["packages"]["flask"]["downloads"] == 220208337
    assert document()["packages"]["django-bolt"]["stars"] is None


def test_source_older_than_six_months_is_named_with_the_way_to_renew_it() -> None:
    printed = tables()
    assert "downloads from PyPI in 30 days, mirrors and CI included: hugovk/top-pypi-packages, 2026-04-01." in printed
    assert printed.count("popularity.toml say how to renew it") == 0
    later = io.StringIO()
    Console(file=later, width=200).print(inventory.as_tables(KNOWN, None, today=date(2026, 10, 2)))
    assert later.getvalue().count("2026-04-01: older than six months") == 1


def test_image_is_printed_as_the_reference_that_is_pulled() -> None:
    assert "python:3.13-slim" in row("slim", tables())
    assert "{" not in tables()
