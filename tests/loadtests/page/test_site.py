"""The site is a folder of files whose links lead to each other; nothing else is overwritten or fetched."""

import json
import re
import shutil
from pathlib import Path

import pytest

from common.catalog.prices import load_prices
from common.errors import UsageError
from loadtests.analysis.formatting import bounds, estimate
from loadtests.board.columns import BY_KEY, value_texts
from loadtests.board.index import FigureIndex
from loadtests.board.publication import PAGE, README
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.store import PUBLISHED
from loadtests.page.answer import who_leads
from loadtests.page.pictures import pictures
from loadtests.page.site import MARKER, PublishedRun, published_runs, whole_field, write_site


@pytest.fixture(scope="module")
def runs() -> list[PublishedRun]:
    return list(published_runs(PUBLISHED, load_prices()))


@pytest.fixture(scope="module")
def site(runs: list[PublishedRun], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(runs, folder)
    return folder


def _links(page: Path) -> list[str]:
    return re.findall(r'(?:href|src)="([^"]+)"', page.read_text())


def test_every_link_leads_to_a_file_and_to_a_place_in_it(site: Path) -> None:
    for page in site.rglob("*.html"):
        for link in _links(page):
            if link.startswith("data:"):
                continue
            name, _, place = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            assert target.is_file(), f"{page.name}: {link}"
            assert not place or f'id="{place}"' in target.read_text(), f"{page.name}: {link}"


def test_there_is_a_page_for_every_stack_and_for_runs_together_and_alone(site: Path, runs: list[PublishedRun]) -> None:
    expected = {one.name for run in runs for one in (run, *run.parts)}
    assert {file.stem for file in (site / "runs").iterdir()} == expected
    assert {"hello-docker", "hello-docker-run-3"} <= expected
    subjects = {row.subject for one in runs for row in one.page.rows}
    assert len(list((site / "stacks").iterdir())) == len(subjects)
    assert {"index.html", "history.html"} <= {file.name for file in site.iterdir()}


def test_the_history_says_of_each_run_who_leads(site: Path, runs: list[PublishedRun]) -> None:
    text = (site / "history.html").read_text()
    assert all(f'<td class="left" colspan="4">{who_leads(run.page)}' in text for run in runs)
    assert len(re.findall("leads? the frameworks", text)) == len(runs)


def test_the_newest_run_in_docker_comes_first(runs: list[PublishedRun]) -> None:
    assert runs[0].run.runtime == "docker"


def test_the_home_is_of_the_whole_field_and_names_what_could_not_be_ranked(
    site: Path, runs: list[PublishedRun]
) -> None:
    field, text = whole_field(runs), (site / "index.html").read_text()
    assert (field.name, len(field.parts)) == ("hello-docker-all", 3)
    assert "sanic+native@slim and blacksheep+uvicorn@slim lead the frameworks, and these 3 runs cannot tell" in text
    assert "django_bolt+native@slim is not ranked, since the load generator was its limit at 118,9" in text
    assert "newest" not in text.casefold()


def test_everything_that_is_published_shows_the_rates_of_the_readme(site: Path, runs: list[PublishedRun]) -> None:
    shown = re.findall(r"\| (\S+@slim) \| [^|]+ \| ([\d,]+ \| [\d,]+ to [\d,]+) \|", README.read_text())
    rows = {row.subject.name: row for row in runs[0].page.rows}
    assert len(shown) == len(rows) == 11
    page, picture = (site / "runs" / "hello-docker.html").read_text(), pictures([runs[0].page])["rates.svg"]
    for name, said in shown:
        rate, between = said.split(" | ")
        assert value_texts(rows[name].values["rate"], BY_KEY["rate"]) == (rate, between)
        assert f"{between}, n = 3; measured 2026-11-30, over 3 runs" in page
        assert f"{name}: {rate}</title>" in picture
        assert f"| {name} | {said} |" in PAGE.read_text()


def test_short_results_agree_with_the_run(site: Path, runs: list[PublishedRun]) -> None:
    found = json.loads((site / "results.json").read_text())
    field = whole_field(runs)
    first = field.page.rows[0]
    assert found["run"] == field.run.id
    assert len(found["runs"]) == 3
    assert found["stacks"][0]["stack"] == first.subject.name
    tied = next(row for row in field.page.rows if row.rank and row.rank.ties)
    (as_json,) = [one for one in found["stacks"] if one["stack"] == tied.subject.name]
    assert tied.rank is not None
    assert as_json["ties"] == list(tied.rank.ties)
    assert found["stacks"][0]["figures"]["rate"]["value"]["estimate"] == first.values["rate"].estimate
    text = (site / "results.md").read_text()
    assert f"| {first.values['rate'].estimate:,.0f} |" in text
    assert runs[0].run.machine.cpu_model in text


def test_a_site_is_written_again_over_itself_and_over_nothing_else(
    runs: list[PublishedRun], site: Path, tmp_path: Path
) -> None:
    write_site(runs, site)
    assert (site / MARKER).is_file()
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UsageError, match="holds something else"):
        write_site(runs, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_without_a_published_run_there_is_no_site(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no run\. Run: make publish"):
        published_runs(tmp_path, load_prices())


@pytest.mark.parametrize("name", ["hello-docker", "hello-process", "hello-docker-all"])
def test_site_results_page_and_show_have_one_interval_of_runs_that_repeat_each_other(
    name: str, site: Path, runs: list[PublishedRun], tmp_path: Path
) -> None:
    """The README's table is that of ``hello-docker``, and the home page's that of the whole field."""
    results = tmp_path / "results"
    for number in ("", "-2", "-3"):
        shutil.copytree(PUBLISHED / f"{name}{number}", results / f"{name}{number}")
    (published,) = [one for one in runs if one.name == name]
    machine = published.page.sources.runs[0].machine
    of_show = {one.subject: one.value for one in FigureIndex(experiment_of, results).all_newest(machine=machine)}
    pooled = [row for row in published.page.rows if row.tested is not None and row.tested.pooled]
    assert len(pooled) >= 11
    for row in pooled:
        assert row.tested is not None
        assert of_show[row.subject] == row.tested.value == row.figures["rate"].value
        assert f"| {row.cell} | {estimate(row.tested.value)} | {bounds(row.tested.value)} |" in PAGE.read_text()
        if name == "hello-docker":
            assert f"| {estimate(row.tested.value)} | {bounds(row.tested.value)} |" in README.read_text()
    text = (site / "index.html").read_text()
    if name == whole_field(runs).name:
        assert all(bounds(row.figures["rate"].value) in text for row in pooled)
