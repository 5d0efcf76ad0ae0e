"""Tests of the page of divergences: stacks are grouped by what was observed of them."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from common.catalog.frameworks import frameworks
from common.catalog.servers import DEFAULTS, SERVERS
from common.catalog.sizes import Runtime
from common.catalog.stacks import Stack
from common.cli import commands
from common.cli.app import new_app, run
from common.conformance.divergence_page import by_request, divergence_page
from common.project import ROOT
from common.runtimes.candidates import Candidate

PAGE = ROOT / "docs" / "divergences.md"
KNOWN = frameworks()
OTHERS = {"all", "all others"}
CANDIDATES = {
    candidate.name: candidate
    for candidate in (
        Candidate(stack=Stack(framework=KNOWN[framework], server=SERVERS[server]))
        for framework, server in (("flask", "gunicorn-gthread"), ("raw_wsgi", "waitress"), ("quart", "uvicorn"))
    )
}
OBSERVED = {
    "raw_wsgi+waitress": {"HEAD /hello": "405", "Server": "a|b`"},
    "flask+gunicorn-gthread": {"HEAD /hello": "200", "Server": ""},
    "quart+uvicorn": {"HEAD /hello": "200", "Server": ""},
}


def test_stacks_are_grouped_by_what_was_observed_the_commonest_first() -> None:
    assert by_request(OBSERVED)["HEAD /hello"] == {
        "200": ["flask+gunicorn-gthread", "quart+uvicorn"],
        "405": ["raw_wsgi+waitress"],
    }


def test_page_names_no_stack_of_a_row_that_holds_more_than_half_of_them() -> None:
    apart = {name: {"Server": name} for name in OBSERVED}
    assert "- `quart+uvicorn`: quart\n" in divergence_page(apart, CANDIDATES, Runtime.PROCESS)
    alike = {name: {"Server": "x"} for name in OBSERVED}
    assert "\n- `x`: all\n" in divergence_page(alike, CANDIDATES, Runtime.PROCESS)


def test_page_names_a_framework_on_its_default_server_by_itself_and_escapes_what_a_server_sent() -> None:
    page = divergence_page(OBSERVED, CANDIDATES, Runtime.PROCESS)
    assert "\n## `HEAD /hello`\n\n- `200`: all others\n" in page
    assert "\n- `405`: raw_wsgi+waitress\n" in page
    assert "\n- nothing: all others\n- `a|b'`: raw_wsgi+waitress\n" in page


def rows(page: str) -> dict[tuple[str, str], set[str]]:
    """Return the stacks in a page by request or property and by what was observed."""
    found = {}
    for section in page.split("\n## ")[1:]:
        heading, _, table = section.partition("\n")
        for observed, stacks in re.findall(r"^- (.*): ([a-z0-9_+, -]+)$", table, re.MULTILINE):
            found[heading, observed] = set(stacks.split(", "))
    everyone = set().union(*found.values()) - OTHERS
    return {key: stacks if not stacks <= OTHERS else everyone - named(found, key[0]) for key, stacks in found.items()}


def named(found: Mapping[tuple[str, str], set[str]], heading: str) -> set[str]:
    """Return the stacks that are named in a section."""
    return set().union(*(stacks for (section, _), stacks in found.items() if section == heading)) - OTHERS


def test_published_page_has_the_default_frameworks_and_every_server() -> None:
    """``make divergences FRAMEWORK=all OUT=docs/divergences.md`` brings it up to date."""
    stacks = set().union(*(rows(PAGE.read_text()).values()))
    defaults = {*DEFAULTS.values()}
    assert stacks >= {name for name, framework in KNOWN.items() if framework.default}
    assert {stack.partition("+")[2] for stack in stacks if "+" in stack} >= set(SERVERS) - defaults


@pytest.mark.slow
@pytest.mark.parallel
def test_published_page_says_what_is_observed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    app = new_app("")
    app.command(commands.divergences)
    out = tmp_path / "page.md"
    line = ["divergences", "--framework=flask,raw_asgi", "--runtime=process", f"--out={out}"]
    assert run(app, line, {}) == 0, capsys.readouterr().err
    observed, published = rows(out.read_text()), rows(PAGE.read_text())
    assert {heading for heading, _ in observed} == {heading for heading, _ in published}
    for key, stacks in observed.items():
        assert stacks <= published.get(key, set()), key
