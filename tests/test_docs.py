"""The documentation holds together: its links lead somewhere, and every page is listed."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from common.project import ROOT

pages = sorted(
    str(file.relative_to(ROOT))
    for file in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "loadtests" / "users" / "README.md")
)


@cache
def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(page.read_text())


def _links(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links and pictures."""
    for token in _tokens(page):
        for child in token.children or ():
            target = child.attrGet("href") or child.attrGet("src")
            if target is not None:
                yield str(target)


@cache
def _anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    tokens = _tokens(page)
    headings = [tokens[number + 1].content for number, token in enumerate(tokens) if token.type == "heading_open"]
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def _is_broken(page: Path, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return False
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return not target.exists() or (bool(anchor) and anchor not in _anchors(target))


@pytest.mark.parametrize("page", pages)
def test_every_relative_link_leads_to_a_file_and_a_heading_that_exist(page: str) -> None:
    assert [link for link in _links(ROOT / page) if _is_broken(ROOT / page, link)] == []


def test_every_page_can_be_reached_from_the_list_of_pages() -> None:
    listed = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in _links(ROOT / "docs" / "README.md")}
    assert {file for file in (ROOT / "docs").glob("*.md") if file.name != "README.md"} <= listed
