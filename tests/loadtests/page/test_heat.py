"""Frameworks by servers, and stacks by Pythons, are tables whose cells are coloured, on the page and as pictures."""

import re

from msgspec.structs import replace

from common.catalog.pythons import OWN_PYTHON
from common.records.run import LoadRun
from loadtests.page.heat import STEPS, by_pythons, by_servers, heat_maps, servers
from loadtests.page.pictures import pictures
from loadtests.page.sources import Source
from loadtests.page.writing import report, style_file
from tests.support.pages import load_test, page_of, source_of

RATES = {"a+u": 40_000, "a+v": 20_000, "b+u": 5_000, "b+v": 9_000, "c+u": 10_000}


def test_the_page_has_a_real_table_with_every_number_and_its_interval() -> None:
    text = report(page_of(load_test(RATES)))
    (shown,) = re.findall(r'<table class="heat-map">.*?</table>', text, re.DOTALL)
    assert shown.count('<th scope="row">') == 3
    assert shown.count('<th scope="col"') == 3
    assert len(re.findall(r'<td title="[\d,]+; 95 % interval [^"]+" class="heat h\d">[\d,]+</td>', shown)) == 5
    assert '<td title="-; c on v was not measured">-</td>' in shown


def test_colours_run_from_the_lowest_rate_to_the_highest_in_equal_ratios() -> None:
    found = by_servers(page_of(load_test(RATES)))
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
    assert heat_maps([page]) == []
    assert servers(page) is None
    assert 'heat-map">' not in report(page)
    assert "servers.svg" not in pictures([page])


def test_a_picture_is_of_the_first_page_that_has_the_numbers() -> None:
    first, second = page_of(), page_of(load_test(RATES))
    found = pictures([first, second])
    assert found["rates.svg"] == pictures([first])["rates.svg"]
    assert found["servers.svg"] == pictures([second])["servers.svg"]


def _on_pythons() -> Source:
    """Return a load test of two stacks on two Pythons, and of one of them on a third."""
    rates = {"a+g": 10_000, "a+g.1": 20_000, "a+g.2": 5_000, "b+g": 8_000, "b+g.1": 8_800}
    made = load_test(rates, spread=0.0001)
    assert isinstance(made.run, LoadRun)
    pythons = (OWN_PYTHON, "pypy3.11", "3.15+jit")
    cells = [
        replace(cell, server="g", python=python, python_asked=python)
        for cell in made.run.cells
        for python in [pythons[int(cell.name.partition(".")[2] or 0)]]
    ]
    return source_of(replace(made.run, cells=cells), made.visits)


def test_ratios_by_python_are_a_table_and_a_picture_whose_first_column_has_no_colour() -> None:
    page = page_of(_on_pythons())
    found = by_pythons(page)
    assert found is not None
    assert found.columns == (f"{OWN_PYTHON}, req/s", "3.15+jit", "pypy3.11")
    assert {name: [tile.text for tile in tiles][1:] for name, tiles in found.rows} == {
        "a+g": ["0.50", "2.00"],
        "b+g": ["-", "1.10"],
    }
    steps = {name: [tile.step for tile in tiles] for name, tiles in found.rows}
    assert steps == {"a+g": [None, 0, STEPS - 1], "b+g": [None, None, STEPS // 2]}
    assert [one.id for one in heat_maps([page_of(load_test(RATES)), page])] == ["servers", "pythons"]
    text = report(page)
    assert '<h2 id="pythons">Which Python</h2>' in text
    assert ">2.00</text>" in pictures([page])["pythons.svg"]
