"""Only a finished load test is published: whole, and with its table in the README."""

import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import decode, encode
from msgspec.structs import replace

from common.catalog.frameworks import frameworks
from common.catalog.pythons import OWN_PYTHON
from common.catalog.sizes import Runtime
from common.errors import UsageError
from common.project import ROOT
from common.records.run import Cell, Conformance, Design, Guest, LoadRun
from loadtests.board import publication
from loadtests.board.publication import finished_load_test, publish_runs
from loadtests.board.published import (
    BEGIN,
    END,
    LEVER_BEGIN,
    LEVER_END,
    PYTHONS_BEGIN,
    PYTHONS_END,
    markdown,
    precedence,
    results_page,
    unreadable,
    with_pythons,
    with_results,
)
from loadtests.campaign import store
from loadtests.campaign.store import RunFolder
from loadtests.experiments.loadtest.experiment import read_load_test
from loadtests.experiments.loadtest.report import summarise
from tests.support import records
from tests.support.pages import load_test, write_run
from tests.support.records import NOON, compare_run, history_run, load, run, warmup, window

GOLDEN = ROOT / "tests" / "golden" / "loadtest-process"
PAGE = f"before\n{BEGIN}\nold text\n{END}\nafter\n"
PYTHONS_PAGE = f"Use 3.13.\n{PYTHONS_BEGIN}\nold text\n{PYTHONS_END}\nafter\n"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Redirect published runs, results, the README and the results page."""
    (tmp_path / "README.md").write_text(PAGE)
    (tmp_path / "which-python.md").write_text(PYTHONS_PAGE)
    monkeypatch.setattr(store, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(store, "PUBLISHED", tmp_path / "published")
    monkeypatch.setattr(publication, "README", tmp_path / "README.md")
    monkeypatch.setattr(publication, "PAGE", tmp_path / "results.md")
    monkeypatch.setattr(publication, "WHICH_PYTHON", tmp_path / "which-python.md")
    return tmp_path / "published"


def cell(name: str, **changes: Any) -> Cell:  # noqa: ANN401
    """Return a cell that was held to the contract."""
    return records.cell(name, **({"conformance": Conformance(passed=40, duration_s=1.0)} | changes))


def _write(folder: Path, requests: int = 20_000, *, finished: bool = True, **changes: Any) -> RunFolder:  # noqa: ANN401
    return _write_run(folder, run([cell("a+b")], **({"id": folder.name} | changes)), requests, finished=finished)


def _write_run(
    folder: Path, made: LoadRun, requests: int = 20_000, *, finished: bool = True, rounds: int = 5
) -> RunFolder:
    kept = RunFolder.create(folder, made)
    windows = [
        window(one.name, number, load(requests), run_id=made.id)
        for number in range(1, rounds + 1)
        for one in made.cells
    ]
    for one in windows:
        kept.add(one)
    if finished:
        kept.finish(summarise(made, windows))
    return kept


def _write_comparison(folder: Path) -> RunFolder:
    return _write_run(folder, compare_run([cell("a+b")], id=folder.name, design=Design.DUET))


def _names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_run_is_kept_whole_under_its_scenario_and_runtime(published: Path) -> None:
    folder = _write(store.RESULTS / "one")
    (folder.folder / "visits.damaged").touch()
    files = publish_runs("one")
    kept = published / "hello-process"
    assert _names(kept) == ["run.json", "summary.json", "visits.jsonl"]
    assert RunFolder(folder=kept).visits() == folder.visits()
    assert set(files) >= {publication.README, *kept.iterdir()}


def test_the_readme_has_its_table_between_the_markers(published: Path) -> None:
    _write(store.RESULTS / "one")
    publish_runs("one")
    text = publication.README.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "10,000" in text
    assert "old text" not in text
    assert publication.README.read_text() == with_results(text, published), "writing it again changes nothing"


def test_a_later_run_takes_the_place_of_the_one_before(published: Path) -> None:
    _write(store.RESULTS / "one")
    _write(store.RESULTS / "two", requests=30_000)
    publish_runs("one")
    (published / "hello-process" / "canaries.jsonl").touch()
    publish_runs("two")
    assert _names(published) == ["hello-process"]
    assert _names(published / "hello-process") == ["run.json", "summary.json", "visits.jsonl"]
    assert "15,000" in publication.README.read_text()
    assert "10,000" not in publication.README.read_text()


def test_a_run_that_is_published_already_can_be_published_again(published: Path) -> None:
    folder = _write(store.RESULTS / "one")
    publish_runs("one")
    shutil.rmtree(folder.folder)
    publish_runs(str(published / "hello-process"))
    assert _names(published / "hello-process") == ["run.json", "summary.json", "visits.jsonl"]


def test_half_a_run_left_by_an_interruption_is_not_taken_for_a_published_one(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day, name in enumerate(("one", "two"), 1):
        _write(store.RESULTS / name, started_at=NOON.replace(day=day))
    publish_runs("one")
    readme, page = publication.README.read_text(), results_page(published)
    copied = list[Path]()

    def copy(file: Path, target: Path) -> None:
        if copied:
            raise KeyboardInterrupt
        copied.append(target)
        (target / file.name).write_bytes(file.read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy", copy)
        with pytest.raises(KeyboardInterrupt):
            publish_runs("two")
    assert (with_results(readme, published), results_page(published)) == (readme, page)
    publish_runs("two")
    assert _names(published) == ["hello-process"]


@pytest.mark.usefixtures("published")
def test_runs_of_two_runtimes_are_kept_side_by_side() -> None:
    _write(store.RESULTS / "one")
    _write(store.RESULTS / "two", requests=30_000, runtime=Runtime.DOCKER)
    publish_runs("one")
    publish_runs("two")
    assert _names(store.PUBLISHED) == ["hello-docker", "hello-process"]
    page = publication.PAGE.read_text()
    assert "10,000" in page
    assert "15,000" in page
    assert "together" not in page


@pytest.mark.usefixtures("published")
def test_a_run_of_the_whole_field_is_kept_beside_that_of_the_default_frameworks() -> None:
    defaults = [cell(f"{name}+x") for name, one in frameworks().items() if one.default]
    _write_run(store.RESULTS / "one", run([cell("a+b"), *defaults], id="one"))
    _write_run(store.RESULTS / "two", run(defaults, id="two"))
    publish_runs("one")
    publish_runs("two")
    assert _names(store.PUBLISHED) == ["hello-process", "hello-process-all"]
    assert f"## hello, process runtime, {1 + len(defaults)} stacks" in publication.PAGE.read_text()


@pytest.mark.usefixtures("published")
def test_a_run_on_several_servers_is_kept_beside_the_others_and_never_takes_the_readmes_table() -> None:
    defaults = [cell(f"{name}+x") for name, one in frameworks().items() if one.default]
    others = [cell(f"{one.framework}+y") for one in defaults[:2]]
    _write_run(store.RESULTS / "wide", run([cell("a+b"), *defaults], id="wide"))
    _write_run(store.RESULTS / "servers", run([cell("a+b"), *defaults, *others], id="servers"), requests=30_000)
    publish_runs("wide")
    publication.README.write_text(f"{publication.README.read_text()}{LEVER_BEGIN}\nold\n{LEVER_END}\n")
    publish_runs("servers")
    assert _names(store.PUBLISHED) == ["hello-process-all", "hello-process-servers"]
    text = publication.README.read_text()
    assert "10,000" in text
    assert "15,000 on" in " ".join(text.partition(LEVER_BEGIN)[2].split()), (
        "the sentence is of the run on several servers"
    )
    assert "old" not in text
    assert "(docs/pictures/servers.svg)" in text
    assert with_results(text, store.PUBLISHED) == text
    page = publication.PAGE.read_text()
    assert "(pictures/servers.svg)" in page
    assert "| framework | b | x | y |" in page


def _write_pythons(folder: Path, **changes: Any) -> None:  # noqa: ANN401
    """Write a run of two stacks on three Pythons, of which one lacks the second stack."""
    rates = {"a+b": 20_000, "a+b 3.15": 18_000, "a+b pypy3.11": 40_000, "c+d": 8_000, "c+d 3.15": 8_000}
    cells = [
        cell(name, framework=name[0], server=name[2], python_asked=python, python=python)
        for name in rates
        for python in [name.partition(" ")[2] or OWN_PYTHON]
    ]
    made = run(cells, **({"id": folder.name, "unavailable": {"c+d@pypy3.11": "it has no wheel"}} | changes))
    kept = RunFolder.create(folder, made)
    windows = [
        window(name, number, load(requests + number, warmup=warmup()), run_id=made.id)
        for number in range(1, 6)
        for name, requests in rates.items()
    ]
    for one in windows:
        kept.add(one)
    kept.finish(summarise(made, windows))


def test_a_run_on_several_pythons_is_kept_beside_the_others_and_fills_the_page_about_them(published: Path) -> None:
    _write(store.RESULTS / "one")
    publish_runs("one")
    readme = publication.README.read_text()
    _write_pythons(store.RESULTS / "pythons")
    files = publish_runs("pythons")
    assert publication.WHICH_PYTHON in files
    assert _names(published) == ["hello-process", "hello-process-pythons"]
    assert publication.README.read_text() == readme, "the README's table is of the usual Python"
    text = publication.WHICH_PYTHON.read_text()
    assert text.startswith(f"Use 3.13.\n{PYTHONS_BEGIN}\n")
    assert text.endswith(f"{PYTHONS_END}\nafter\n")
    assert "old text" not in text
    assert "\n3.15 carries 0.95 times" not in text
    assert f"\n{OWN_PYTHON} carries the most requests per vCPU of the Pythons on which most frameworks run.\n" in text
    assert f"Requests per vCPU over those on Python {OWN_PYTHON}, median over frameworks: 2.00 on pypy3.11" in text
    assert "(pictures/pythons.svg)" in text
    assert re.search(r"\| a\+b \| 10,00\d \| 0\.90 \(0\.89 to 0\.91\), different \| 2\.00 \(", text)
    assert re.search(r"\| c\+d \| 4,00\d \| 1\.00 \(0\.99 to 1\.01\), equivalent \| n/a \|", text)
    assert "- no ratio on pypy3.11: c+d: it has no wheel." in text
    assert re.search(r"\| pypy3\.11 \| 1 \| 2\.00 \| .* \| 0\.3 \| 3,200 \|", text), "how soon it was warm"
    assert "Measured 2026-01-02 on Toy" in text
    assert with_pythons(text, published) == text
    assert "(which-python.md)" in publication.PAGE.read_text()


@pytest.mark.usefixtures("published")
def test_without_a_run_on_several_pythons_the_page_about_them_is_left_as_it_is() -> None:
    _write(store.RESULTS / "one")
    publish_runs("one")
    assert publication.WHICH_PYTHON.read_text() == PYTHONS_PAGE


def test_repeated_runs_are_published_together(published: Path) -> None:
    for number, requests in enumerate((20_000, 22_000, 24_000), 1):
        _write(store.RESULTS / str(number), requests=requests)
    publish_runs("1, 2,3")
    assert _names(published) == ["hello-process", "hello-process-2", "hello-process-3"]
    assert [RunFolder(folder=published / name).run().id for name in _names(published)] == ["1", "2", "3"]
    page = publication.PAGE.read_text()
    assert "3 runs together" in page
    assert page.index("3 runs together") < page.index("### Run 1") < page.index("### Run 3")
    assert "| 10,970 | 10,920 to 11,019 |" in publication.README.read_text(), "over three runs"
    publish_runs(f"{published / 'hello-process-3'},{published / 'hello-process'}")
    assert [RunFolder(folder=published / name).run().id for name in _names(published)] == ["3", "1"]


@pytest.mark.usefixtures("published")
def test_only_runs_of_the_same_stacks_are_published_together() -> None:
    _write(store.RESULTS / "one")
    _write_run(store.RESULTS / "two", run([cell("a+b"), cell("c+d")], id="two"))
    with pytest.raises(UsageError, match="not of the same stacks"):
        publish_runs("one,two")
    with pytest.raises(UsageError, match="names a run twice"):
        publish_runs("one,one")


def test_a_run_with_too_few_rounds_to_rank_by_is_not_published(published: Path) -> None:
    _write(store.RESULTS / "long")
    publish_runs("long")
    _write_run(store.RESULTS / "short", run([cell("a+b")], id="short", rounds=4), rounds=4)
    with pytest.raises(UsageError, match=r"short ranks no stack, since it has fewer than 5 rounds. Run: make loadtest"):
        publish_runs("short")
    assert read_load_test(RunFolder(folder=published / "hello-process")).run.id == "long"


@pytest.mark.usefixtures("published")
def test_a_server_of_ones_own_is_not_published() -> None:
    _write_run(store.RESULTS / "one", run([cell("a+b"), cell("mine", guest=Guest(url="http://mine"))], id="one"))
    with pytest.raises(UsageError, match="RUN=one cannot be published: mine is a server of your own"):
        publish_runs("one")
    assert not store.PUBLISHED.exists()


@pytest.mark.usefixtures("published")
def test_latest_is_the_newest_finished_load_test() -> None:
    _write(store.RESULTS / "1-finished")
    _write(store.RESULTS / "2-finished")
    _write(store.RESULTS / "3-begun", finished=False)
    _write_run(store.RESULTS / "3-interrupted", run([cell("a+b")], id="3-interrupted"), rounds=4)
    _write_run(store.RESULTS / "3-web", run([cell("a+b", conformance=None)], id="3-web"))
    _write_comparison(store.RESULTS / "4-compare")
    history = history_run({"a@1": "1", "a@2": "2"}, id="4-history")
    checked = [cell(one.name, version=one.version) for one in history.cells]
    _write_run(store.RESULTS / "4-history", replace(history, cells=checked))
    (_write(store.RESULTS / "5-damaged").folder / "run.json").write_text("{")
    with (_write(store.RESULTS / "6-doubled").folder / store.VISITS).open("r+") as file:
        file.write(file.readline() * 2)
    assert finished_load_test("latest", variable="RUN").folder.name == "2-finished"


def test_the_readme_shows_hello_alone(published: Path) -> None:
    _write_run(store.RESULTS / "one", run([cell("a+b")], id="one", scenario="sleep"))
    publish_runs("one")
    assert publication.README.read_text() == PAGE
    assert [folder.name for folder in published.iterdir()] == ["sleep-process"]


def test_the_readme_says_whether_what_its_table_decides_holds_on_another_machine(published: Path) -> None:
    for name, processor in (("hello-docker", "Toy"), ("hello-docker-servers", "Other")):
        made = load_test({"a+g": 30_000, "b+g": 5_000}, id=name, runtime=Runtime.DOCKER)
        machine = replace(made.run.machine, cpu_model=processor)
        write_run(published / name, made).describe(replace(made.run, machine=machine))
    readme = " ".join(with_results(PAGE, published).split())
    assert "On another processor, Other, 1 of 1 pair decided here and compared there came out alike" in readme
    shutil.rmtree(published / "hello-docker-servers")
    assert "came out alike" not in with_results(PAGE, published)


def test_a_published_run_that_cannot_be_read_is_left_out_and_named(published: Path) -> None:
    _write(store.RESULTS / "one")
    _write(published / "newer")
    newer = published / "newer" / "run.json"
    newer.write_text(newer.read_text().replace('"schema_version": 3', '"schema_version": 4'))
    publish_runs("one")
    assert "10,000" in publication.README.read_text()
    (problem,) = unreadable(published)
    assert "newer/run.json has schema version 4" in problem


def test_another_experiment_among_the_published_runs_is_left_out_and_named(published: Path) -> None:
    _write(store.RESULTS / "one")
    _write_run(published / "history", history_run({"a@1": "1", "a@2": "2"}, id="history"))
    publish_runs("one")
    assert "10,000" in publication.README.read_text()
    assert unreadable(published) == [f"{published / 'history'} holds another experiment than a load test."]


@pytest.mark.usefixtures("published")
def test_without_a_finished_load_test_there_is_no_latest() -> None:
    _write(store.RESULTS / "begun", finished=False)
    with pytest.raises(UsageError, match=r"RUN=latest: there is no finished load test\. Run: make loadtest"):
        publish_runs("latest")


@pytest.mark.usefixtures("published")
def test_only_a_finished_load_test_is_published() -> None:
    _write(store.RESULTS / "begun", finished=False)
    _write_comparison(store.RESULTS / "compared")
    for name in ("begun", "compared"):
        with pytest.raises(UsageError, match=rf"invalid RUN={name}: must be latest or the id of a finished"):
            publish_runs(name)
    with pytest.raises(UsageError, match="invalid RUN=yesterday"):
        publish_runs("yesterday")
    assert not store.PUBLISHED.exists()
    assert publication.README.read_text() == PAGE


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("changes", "rounds", "reason"),
    [
        ({}, 4, "it was interrupted. Run: make loadtest RESUME=one"),
        ({"conformance": None}, 5, "a+b was not checked against the contract; make web does not check its stacks."),
    ],
)
def test_a_summary_does_not_make_a_run_a_finished_one(changes: dict[str, Any], rounds: int, reason: str) -> None:
    _write_run(store.RESULTS / "one", run([cell("a+b", **changes)], id="one"), rounds=rounds)
    with pytest.raises(UsageError, match=f"RUN=one is not a finished load test: {re.escape(reason)}"):
        publish_runs("one")
    assert not store.PUBLISHED.exists()


def test_hello_comes_before_other_scenarios_and_docker_before_processes() -> None:
    runs = {
        f"{scenario}-{runtime}": run([], scenario=scenario, runtime=runtime, started_at=NOON.replace(day=day))
        for day, (scenario, runtime) in enumerate(
            [
                ("hello", Runtime.PROCESS),
                ("hello", Runtime.DOCKER),
                ("sleep", Runtime.PROCESS),
                ("sleep", Runtime.DOCKER),
            ],
            1,
        )
    }
    ordered = sorted(runs, key=lambda name: precedence(name, runs[name]), reverse=True)
    assert ordered == ["hello-docker", "hello-process", "sleep-docker", "sleep-process"]


def test_the_summary_is_computed_from_the_visits_not_read(published: Path) -> None:
    folder = _write(published / "one")
    before = read_load_test(folder)
    (folder.folder / "summary.json").write_text("{}")
    assert read_load_test(folder) == before


def test_the_readme_of_this_project_is_as_publish_writes_it() -> None:
    text = publication.README.read_text()
    assert with_results(text, store.PUBLISHED) == text, "run: make publish RUN=published"
    which = publication.WHICH_PYTHON.read_text()
    assert with_pythons(which, store.PUBLISHED) == which, "run: make publish RUN=published"


@pytest.mark.parametrize("name", sorted(file.parent.name for file in store.PUBLISHED.glob("*/run.json")))
def test_a_published_summary_is_what_its_records_amount_to(name: str) -> None:
    folder = RunFolder(folder=store.PUBLISHED / name)
    written, computed = (folder.folder / "summary.json").read_bytes(), encode(read_load_test(folder).summary)
    assert _alike(decode(written), decode(computed)), "run: make publish RUN=published"


def _alike(a: Any, b: Any) -> bool:  # noqa: ANN401 -- whatever JSON holds
    """Return whether two documents are the same, but for what the processor's arithmetic makes of their numbers."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_alike(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    both = isinstance(a, float) and isinstance(b, float)
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12) if both else a == b


def test_everything_published_can_be_written_anew_without_a_new_run(published: Path) -> None:
    _write(store.RESULTS / "one")
    publish_runs("one")
    summary = published / "hello-process" / "summary.json"
    pages = (publication.README, publication.PAGE, publication.WHICH_PYTHON)
    written = {file: file.read_text() for file in (summary, *pages)}
    summary.write_text(summary.read_text().replace("10000.", "99.", 1))
    publication.README.write_text(PAGE)
    publication.PAGE.write_text("stale")
    files = publish_runs("published")
    assert {file: file.read_text() for file in written} == written
    assert set(files) == set(written)


def test_a_table_names_machine_date_and_seed() -> None:
    made = run([cell("a+b")])
    text = markdown(made, summarise(made, []))
    assert "Measured 2026-01-02 on Toy, 2 cores" in text
    assert "seed 1" in text


def test_a_table_says_where_a_python_is_known_to_lack_an_optimisation() -> None:
    made = run([cell("a+b")])
    summary, version = summarise(made, []), made.cells[0].python
    assert f"Python {version}, load over" in markdown(made, summary)
    plain = replace(made, machine=replace(made.machine, python=version, python_pgo=False))
    expected = f"Python {version} (built without profile-guided optimisation), load over"
    assert expected in markdown(plain, summary)
    assert expected not in markdown(replace(plain, runtime=Runtime.DOCKER), summary)


def test_a_failed_control_is_reported_first() -> None:
    made = run([cell("a+b"), cell("a+b#2", control_of="a+b")])
    windows = [
        window(name, n, load(level + n)) for n in range(1, 6) for name, level in (("a+b", 9000), ("a+b#2", 8000))
    ]
    assert markdown(made, summarise(made, windows)).startswith("**control-differs: nothing is ranked")
