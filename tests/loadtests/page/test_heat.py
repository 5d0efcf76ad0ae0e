"""Frameworks by servers are a table whose cells are coloured, on the page and as a picture."""

import re

from loadtests.page.heat import STEPS, heat_map, servers
from loadtests.page.pictures import pictures
from loadtests.page.writing import report, style_file
from tests.support.pages import load_test, page_of

RATES = {"a+u": 40_000, "a+v": 20_000, "b+u": 5_000, "b+v": 9_000, "c+u": 10_000}


def test_the_page_has_a_real_table_with_every_number_and_its_interval() -> None:
    text = report(page_of(load_test(RATES)))
    (shown,) = re.findall(r'<table class="heat-map">.*?</table>', text, re.DOTALL)
    assert shown.count('<th scope="row">') == 3
    assert shown.count('<th scope="col"') == 3
    assert len(re.findall(r'<td title="[\d,]+; 95 % interval [^"]+" class="heat h\d">[\d,]+</td>', shown)) == 5
    assert '<td title="-; c on v was not measured">-</td>' in shown


def test_colours_run_from_the_lowest_rate_to_the_highest_in_equal_ratios() -> None:
    found = heat_map(page_of(load_test(RATES)))
    assert found is not None
    steps = [tile.step for _, tiles in found.rows for tile in tiles if tile.step is not None]
    assert (min(steps), max(steps)) == (0, STEPS - 1)
    css = style_file("charts.css")
    assert all(f".heat.h{step} {{" in css for step in range(STEPS))
    assert "--heat" in style_file("dark.css")


def test_the_picture_has_every_number_in_its_cell_and_follows_the_dark() -> None:
    picture = pictures([page_of(load_test(RATES))])["servers.svg"]
    found = servers(page_of(load_test(RATES)))
    assert found is not None
    assert all(f">{value}</text>" in picture for line in found.rows for value in line)
    assert "prefers-color-scheme: dark" in picture
    assert "larger lever" in picture, "in its description"


def test_names_are_escaped_in_table_and_picture() -> None:
    hostile = {"<b>+<i>": 40_000, "<b>+v": 20_000, "b+<i>": 5_000, "b+v": 9_000}
    page = page_of(load_test(hostile))
    assert "<b>" not in report(page).partition("heat-map")[2].partition("</table>")[0]
    assert "<i>" not in pictures([page])["servers.svg"]


def test_without_several_frameworks_on_several_servers_there_is_none() -> None:
    page = page_of()
    assert heat_map(page) is None
    assert servers(page) is None
    assert 'heat-map">' not in report(page)
    assert "servers.svg" not in pictures([page])


def test_a_picture_is_of_the_first_page_that_has_the_numbers() -> None:
    first, second = page_of(), page_of(load_test(RATES))
    found = pictures([first, second])
    assert found["rates.svg"] == pictures([first])["rates.svg"]
    assert found["servers.svg"] == pictures([second])["servers.svg"]
