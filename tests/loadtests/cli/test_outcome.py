"""``make outcome`` writes what a comparison decided for pipelines, and ends as the comparison did."""

import json
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from common.cli.app import GIVEN, run
from loadtests.__main__ import command_line
from loadtests.campaign.store import RunFolder
from tests.support import records
from tests.support.records import cell, compare_run, load, window

NAMES = {"outcome.env", "outcome.txt", "outcome.md", "outcome.json", "page.html"}


def _compared(folder: Path, slower: float, *, rounds: int = 5, b: str = "b", failures: int = 0) -> Path:
    """Write a comparison of five rounds, so many of which were made, with a limit of 3 %."""
    made = RunFolder.create(folder, compare_run([cell("a"), cell(b)], fail_if_slower=0.03))
    for number in range(1, rounds + 1):
        requests = 10_000 + 20 * number
        made.add(window("a", number, load(requests)))
        wrong = {"wrong body": failures} if failures else {}
        made.add(window(b, number, load(round(requests * (1 - slower) + number % 2), failures=wrong)))
    return folder


def _outcome(run_folder: Path, out: Path, *more: str) -> int:
    return run(command_line(), ["outcome", f"--run={run_folder}", f"--out={out}", *more], {GIVEN: ""})


@pytest.mark.parametrize(
    ("slower", "word", "status"), [(0.1, "slower", 1), (0.0, "not-slower", 0), (-0.1, "not-slower", 0)]
)
def test_a_comparison_that_decided_has_all_files_and_its_status(
    tmp_path: Path, slower: float, word: str, status: int
) -> None:
    out = tmp_path / "out"
    assert _outcome(_compared(tmp_path / "run", slower), out) == status
    assert {file.name for file in out.iterdir()} == NAMES
    variables = dict(line.split("=") for line in (out / "outcome.env").read_text().splitlines())
    assert variables["verdict"] == word
    assert float(variables["ratio"]) == pytest.approx(1 - slower, abs=0.002)
    found = json.loads((out / "outcome.json").read_text())
    assert (found["verdict"], found["limit"]) == (word, 0.03)
    assert (out / "outcome.txt").read_text().startswith(f"{word}\n\n{found['sentences'][0]}\n")
    assert "<!doctype html>" in (out / "page.html").read_text()


def test_the_markdown_has_verdict_sentence_plot_and_table(tmp_path: Path) -> None:
    _outcome(_compared(tmp_path / "run", 0.1), tmp_path)
    tokens = MarkdownIt("commonmark").enable("table").parse((tmp_path / "outcome.md").read_text())
    kinds = [token.type for token in tokens]
    assert kinds[0] == "heading_open"
    assert tokens[1].content == "slower"
    assert "b is slower than a by more than 3.0%" in tokens[4].content
    (plot,) = [token.content for token in tokens if token.type == "fence"]
    assert "L: the limit, 3.0% slower" in plot
    assert "table_open" in kinds


@pytest.mark.parametrize(("rounds", "failures"), [(3, 0), (0, 0), (5, 7)])
def test_what_was_interrupted_or_is_not_valid_is_broken_and_not_slower(
    tmp_path: Path, rounds: int, failures: int
) -> None:
    folder = _compared(tmp_path / "run", 0.1, rounds=rounds, failures=failures)
    assert _outcome(folder, tmp_path) == 2
    assert (tmp_path / "outcome.env").read_text().startswith("verdict=broken\n")
    assert (tmp_path / "outcome.md").read_text().startswith("### broken\n\n")


def test_a_run_that_is_missing_or_compares_nothing_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _outcome(tmp_path / "none", tmp_path / "out") == 2
    assert (tmp_path / "out" / "outcome.env").read_text() == "verdict=broken\nratio=\nlow=\nhigh=\n"
    ranked = RunFolder.create(tmp_path / "ranked", records.run([cell("a"), cell("b")]))
    assert _outcome(ranked.folder, tmp_path / "out") == 2
    assert "written by make loadtest: must be a comparison" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_make_compare_said_is_the_reason_why_nothing_was_decided(tmp_path: Path, interrupted: bool) -> None:  # noqa: FBT001
    log, folder = tmp_path / "log", tmp_path / "run"
    log.write_text("error: an older one.\nerror: --b=./gone does not exist.\nmake: *** [compare] Error 2\n")
    if interrupted:
        _compared(folder, 0.1, rounds=3)
    assert _outcome(folder, tmp_path / "out", f"--log={log}") == 2
    assert json.loads((tmp_path / "out" / "outcome.json").read_text())["sentences"] == ["--b=./gone does not exist."]


@pytest.mark.parametrize("said", ["2 visits, about 0:10\n", None])
def test_a_log_without_an_error_leaves_the_reason_as_it_is(tmp_path: Path, said: str | None) -> None:
    log = tmp_path / "log"
    if said is not None:
        log.write_text(said)
    assert _outcome(tmp_path / "none", tmp_path / "out", f"--log={log}") == 2
    assert "none: must be a run's folder" in (tmp_path / "out" / "outcome.txt").read_text()
    assert ("cannot be read: No such file" in (tmp_path / "out" / "outcome.txt").read_text()) is (said is None)


def test_names_of_the_users_are_no_markup_and_no_variables(tmp_path: Path) -> None:
    name = "./b\nverdict=faster\n# <img src=x> ```"
    assert _outcome(_compared(tmp_path / "run", 0.1, b=name), tmp_path) == 1
    assert [line.partition("=")[0] for line in (tmp_path / "outcome.env").read_text().splitlines()] == [
        "verdict",
        "ratio",
        "low",
        "high",
    ]
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render((tmp_path / "outcome.md").read_text())
    assert "<img" not in html
    assert html.count("<h1>") == 0


def test_a_table_that_is_too_long_for_a_comment_is_left_out(tmp_path: Path) -> None:
    assert _outcome(_compared(tmp_path / "run", 0.1, b="b" * 40_000), tmp_path) == 1
    assert len((tmp_path / "outcome.md").read_bytes()) < 64_000
    assert (tmp_path / "outcome.txt").read_text().endswith("The table is too long to be shown here.\n")
