"""Whatever a recorded run's files have become, reading it works or ends in one line that names what is wrong."""

import json
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from common.errors import UsageError
from common.project import ROOT
from common.runtimes.candidates import Candidate, candidate_from_cell
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.resume import servers_left
from loadtests.campaign.store import VISITS, RunFolder
from tests.support.fuzzing import EXAMPLES
from tests.support.records import RUN_ID, cell, load, run, window

GOLDEN = ROOT / "tests" / "golden"
FEW = 200
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.0, -0.5, 1e-320, 1e308, 2**63, 2**70, "", "x", "0", "\u0661", "[/red]", "../..",
    "a" * 5000, [], {}, [[]], [None], {"": 0}, "2026-01-01T00:00:00Z", "docker", "fargate", "fat", "p99<5ms", "50%",
)  # fmt: skip


def read(folder: Path) -> None:
    """Compute from a run's files what the commands do that show, publish, compare and resume it."""
    recorded = RunFolder(folder=folder)
    experiment = experiment_of(recorded.run())
    subjects = dict[str, Candidate]()
    for one in experiment.stacks():
        with suppress(UsageError):  # a stack that is not here any more refuses a resumption, and nothing else
            subjects[one.name] = candidate_from_cell(one)
    servers_left(experiment, subjects, recorded)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 -- any JSON
    """Return the paths to everything inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in _places(one, (*path, key)))]


def _change_a_value(document: Any, dice: random.Random) -> Any:  # noqa: ANN401
    *above, last = dice.choice([place for place in _places(document) if place])
    holder = document
    for key in above:
        holder = holder[key]
    match dice.randrange(4):
        case 0 | 1:
            holder[last] = dice.choice(ODD)
        case 2:
            del holder[last]
        case _ if isinstance(holder, list):
            holder.append(holder[last])
        case _:
            holder[dice.choice(["extra", "kind", "experiment", "cell", "round"])] = dice.choice(ODD)
    return document


def _change_a_document(text: bytes, dice: random.Random) -> bytes:
    lines = text.splitlines() if text.startswith(b'{"') else [text]
    at = dice.randrange(len(lines))
    try:
        lines[at] = json.dumps(_change_a_value(json.loads(lines[at]), dice)).encode()
    except (ValueError, IndexError):  # it was damaged before, or holds nothing any more
        return text
    return b"\n".join(lines) + b"\n"


def _change_bytes(text: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(text) + 1)
    return text[:at] + dice.randbytes(dice.randrange(4)) + text[at + dice.randrange(4) :]


def _cut_off(text: bytes, dice: random.Random) -> bytes:
    return text[: dice.randrange(len(text) + 1)]


def _change_lines(text: bytes, dice: random.Random) -> bytes:
    """Double, drop or swap lines."""
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    match dice.randrange(3):
        case 0:
            lines.insert(other, lines[one])
        case 1:
            del lines[one]
        case _:
            lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _change_a_document, _change_a_document, _change_a_document, _change_bytes, _cut_off, _change_lines,
)  # fmt: skip


def _damage(folder: Path, dice: random.Random) -> None:
    """Change one or two files of a run, once or twice."""
    files = [file for file in sorted(folder.iterdir()) if file.name != "summary.json"]
    for _ in range(dice.randint(1, 2)):
        file = dice.choice(files)
        if dice.random() < 0.02:
            file.unlink(missing_ok=True)
            dice.choice([file.mkdir, lambda: None, lambda to=file: to.symlink_to("nowhere")])()  # type: ignore[misc]
            return
        file.write_bytes(dice.choice(CHANGES)(file.read_bytes(), dice))


@pytest.fixture(scope="module")
def sources() -> list[Path]:
    """Return recorded runs of every kind."""
    return sorted(GOLDEN.iterdir())


def _try(sources: list[Path], place: Path, count: int, seed: int) -> int:
    """Read so many damaged runs; return how many of them were refused. Anything but a refusal fails."""
    refusals = list[str]()
    for number in range(count):
        dice = random.Random(f"{seed}/{number}")  # noqa: S311 -- no cryptography
        folder = place / "run"
        shutil.copytree(dice.choice(sources), folder)
        _damage(folder, dice)
        try:
            read(folder)
        except UsageError as error:
            refusals.append(str(error))
        except Exception as error:
            error.add_note(f"seed {seed}, example {number}")
            raise
        shutil.rmtree(folder)
    assert not [text for text in refusals if "\n" in text]
    return len(refusals)


def test_every_recorded_run_can_be_read(sources: list[Path]) -> None:
    for source in sources:
        read(source)


def test_two_hundred_damaged_runs_are_read_or_refused_in_one_line(sources: list[Path], tmp_path: Path) -> None:
    assert FEW / 4 < _try(sources, tmp_path, FEW, seed=1) < FEW


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.timeout(3600)
@pytest.mark.long
def test_many_damaged_runs_are_read_or_refused_in_one_line(sources: list[Path], tmp_path: Path) -> None:
    assert EXAMPLES / 4 < _try(sources, tmp_path, EXAMPLES, seed=2) < EXAMPLES


def _lines(*windows: tuple[str, int, str]) -> list[Any]:
    return [window(name, number, load(), run_id=run_id) for name, number, run_id in windows]


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (("a+b", 1, RUN_ID), r"line 2, holds the visit to a\+b in round 1 once too often\. Remove that line to read"),
        (("a+b", 2, "another"), "line 2, holds a visit of the run another, not of 20260102T120000Z"),
        (("c+d", 2, RUN_ID), r"line 2, holds a visit to c\+d in round 2, which the run does not plan"),
        (("a+b", 0, RUN_ID), "in round 0, which the run does not plan"),
        (("a+b", 6, RUN_ID), "in round 6, which the run does not plan"),
    ],
)
def test_a_visit_that_the_run_does_not_plan_is_named(tmp_path: Path, added: tuple[str, int, str], message: str) -> None:
    folder = RunFolder.create(tmp_path / "run", run([cell("a+b")]))
    for one in _lines(("a+b", 1, RUN_ID), added):
        folder.add(one)
    with pytest.raises(UsageError, match=message):
        folder.visits()


def test_visits_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", run([cell("a+b")]))
    (folder.folder / VISITS).mkdir()
    with pytest.raises(UsageError, match=r"the visits in .*/run cannot be read: .*Is a directory"):
        folder.visits()
