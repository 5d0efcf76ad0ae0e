"""``make bisect`` finds the commit that made a package slower, and goes on where it was interrupted."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from common.catalog.sizes import Runtime, Size
from common.console import Terminal
from common.errors import FailedError, NotComparedError, UsageError
from common.records.run import Conformance, Design, Stopping
from common.records.summary import Pair
from loadtests.analysis.bisection import comparisons_needed
from loadtests.analysis.comparison import up_to
from loadtests.analysis.outcome import pair_of, settled
from loadtests.analysis.thresholds import COMPARISON_LOOKS
from loadtests.campaign.parameters import LoadParameters, RunParameters
from loadtests.campaign.store import RunFolder
from loadtests.cli import bisect
from loadtests.cli.bisect import Bisection
from loadtests.experiments.compare.sides import Side
from tests.support.records import cell, compare_run, load, window
from tests.support.repositories import Repository

SD = 0.0185
"""The standard deviation of the log ratio of two stacks in a duet, as observed in trials."""
COMMITS = 200
BROKEN, SLOW = 4, 6
"""The positions of the commit that cannot be built, and of the first slow one."""


def _bisection(checkout: Path, commits: tuple[str, ...], **changes: Any) -> Bisection:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {
        "commits": commits,
        "checkout": checkout,
        "named": str(checkout),
        "server": "default",
        "runtime": Runtime.PROCESS,
        "size": Size(),
        "load": LoadParameters().parse(),
        "rounds": COMPARISON_LOOKS[-1],
        "stopping": Stopping(),
        "terminal": Terminal(),
    }
    return Bisection(**fields | changes)


def _simulated(rng: np.random.Generator, slower: float, limit: float, comparisons: int) -> Pair:
    """Return the comparison of a commit that is slower by this share."""
    run = compare_run(
        [cell("a"), cell("b")],
        design=Design.DUET,
        rounds=COMPARISON_LOOKS[-1],
        looks=list(COMPARISON_LOOKS),
        fail_if_slower=limit,
        comparisons=comparisons,
    )
    b = {
        number: 1000 * float(value)
        for number, value in enumerate(np.exp(rng.normal(np.log1p(-slower), SD, COMPARISON_LOOKS[-1])), 1)
    }
    even = dict.fromkeys(b, 1000.0)
    for look in COMPARISON_LOOKS:
        pair = pair_of(run, up_to(look, {"a": even, "b": b}))
        if settled(run, pair):
            break
    return pair


def _search(tmp_path: Path, speeds: Callable[[int], float], seed: int) -> list[str]:
    rng, commits = np.random.default_rng(seed), tuple(f"commit-{number}" for number in range(COMMITS + 1))
    needed = comparisons_needed(COMMITS)

    def compared(_: Bisection, at: int, limit: float) -> Pair:
        return _simulated(rng, speeds(at), limit, needed)

    with mock.patch.object(Bisection, "_compared", compared):
        return _bisection(tmp_path, commits).carry_out()


@pytest.mark.usefixtures("untraced")
def test_a_step_of_5_percent_among_200_commits_is_found_in_19_of_20_searches(tmp_path: Path) -> None:
    found = 0
    for seed in range(20):
        step = int(np.random.default_rng(seed).integers(1, COMMITS + 1))
        commit, chance = _search(tmp_path, partial(_step_of_5_percent, step), seed)
        found += commit.startswith(f"commit-{step} is the first commit that is slower than commit-0 by more than ")
        assert re.fullmatch(r"The chance that this is wrong is at most (4\.\d|5\.0)%\.", chance)
    assert found >= 19


def _step_of_5_percent(step: int, at: int) -> float:
    return 0.05 * (at >= step)


def test_equal_ends_leave_nothing_to_search_for(tmp_path: Path) -> None:
    with pytest.raises(
        FailedError,
        match=r"^there is no slowdown to search for: b is not slower than a by more than 1\.0%: .* Name other commits",
    ):
        _search(tmp_path, lambda _: 0.0, seed=1)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A checkout with eight commits, of which the sixth is slow and the fourth cannot be built."""
    made = Repository.create(tmp_path / "toy")
    for number in range(9):
        made.commit(f"Commit {number}", {"number": str(number)})
    return made


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions of the commits that were measured, in order."""
    order: list[int] = []

    def start(_: str, limit: float, run: RunParameters, __: Terminal) -> None:
        out = run.out or tmp_path
        at = int(out.name.partition("-")[0])
        order.append(at)
        if at == BROKEN:
            raise NotComparedError("no wheel could be built")
        cells = [cell(side, conformance=Conformance(passed=40, duration_s=1.0)) for side in ("a", "b")]
        folder = RunFolder.create(out, compare_run(cells, sides=["a", "b"], design=Design.DUET, fail_if_slower=limit))
        for number in range(1, 6):
            folder.add(window("a", number, load(20_000 + number)))
            folder.add(window("b", number, load((18_000 if at >= SLOW else 20_000) - number)))

    monkeypatch.setattr(bisect, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(Bisection, "_begin", lambda *arguments: arguments[-1])
    monkeypatch.setattr(bisect, "start", start)
    return order


def test_the_commit_is_named_and_broken_ones_are_passed_over(
    repository: Repository, measured: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    bisect.bisect(a="HEAD~8", checkout=str(repository.folder))
    printed = capsys.readouterr()
    assert measured == [8, 4, 3, 5, 6]
    assert re.search(
        r"^\w{7} Commit 6 is the first commit that is slower than \w{7} Commit 0 by more than", printed.out
    )
    assert "The chance that this is wrong is at most 5.0%." in printed.out
    assert re.search(r"bisect: leaves out \w{7} Commit 4: no wheel could be built", printed.err)


def test_the_same_command_goes_on_where_it_was_interrupted(repository: Repository, measured: list[int]) -> None:
    whole: Any = vars(bisect)["start"]

    def interrupted(name: str, limit: float, run: RunParameters, terminal: Terminal) -> None:
        if run.out is not None and run.out.name.startswith("5-"):
            raise KeyboardInterrupt
        whole(name, limit, run, terminal)

    with mock.patch.object(bisect, "start", interrupted), pytest.raises(KeyboardInterrupt):
        bisect.bisect(a="HEAD~8", checkout=str(repository.folder))
    assert measured == [8, 4, 3]
    bisect.bisect(a="HEAD~8", checkout=str(repository.folder))
    assert measured == [8, 4, 3, 4, 5, 6]
    bisect.bisect(a="HEAD~8", checkout=str(repository.folder), server="granian")
    assert measured[6:] == [8, 4, 3, 5, 6]


def test_commits_that_cannot_be_told_apart_are_named_together(
    repository: Repository, measured: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.SLOW", 5)
    bisect.bisect(a="HEAD~8", checkout=str(repository.folder))
    assert measured == [8, 4, 3, 5]
    assert re.search(
        r"is among the 2 commits from \w{7} Commit 4 to \w{7} Commit 5; the others of these are undecided",
        " ".join(capsys.readouterr().out.split()),
    )


def test_a_commit_is_compared_with_the_first_at_its_share_of_the_level(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with a commit is told apart from what is wrong with the search."""
    sides = mock.create_autospec(Side, spec_set=True)
    broken = mock.Mock(side_effect=FailedError("no wheel could be built"))
    begin_compare = mock.Mock(return_value=broken)
    for name, value in {"Side": sides, "begin_compare": begin_compare, "RESULTS": tmp_path}.items():
        monkeypatch.setattr(bisect, name, value)
    with pytest.raises(NotComparedError, match="no wheel could be built"):
        bisect.bisect(a="HEAD~8", checkout=f"falcon@{repository.folder}", server="granian")
    named = [
        f"falcon@{repository.folder}@{repository.git('rev-parse', '--short=12', ref)}" for ref in ("HEAD~8", "HEAD")
    ]
    assert sides.parse.call_args_list == [mock.call(one, "CHECKOUT") for one in named]
    asked = begin_compare.call_args.kwargs
    assert (asked["comparisons"], asked["fail_if_slower"], asked["server"]) == (4, 0.01, "granian")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"a": "HEAD", "b": "HEAD~1"},
            r"B=HEAD~1 does not come after A=HEAD in .*: must be a commit that was built on",
        ),
        ({"a": "nowhere"}, "nowhere is no commit of"),
        (
            {"a": "HEAD~1", "checkout": ""},
            r"CHECKOUT=\(empty\) does not exist: must be a folder, or FRAMEWORK@ and a folder",
        ),
        ({"a": "HEAD~1", "checkout": "falcon@./nowhere"}, r"CHECKOUT=falcon@\./nowhere does not exist"),
        ({"a": "HEAD~1", "checkout": "falcon@/"}, "/ is no git repository in which HEAD~1 could be found"),
        ({"a": "HEAD~1", "budget": "long"}, "invalid BUDGET=long: must be a duration"),
    ],
)
def test_what_cannot_be_searched_is_refused(repository: Repository, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bisect.bisect(**{"checkout": str(repository.folder), **asked})
