"""One kill at a random moment, the next command, and what must hold then."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.host.ownership import owner_id
from common.host.run_lock import VARIABLE
from common.project import ROOT
from common.records.schema import Visit
from loadtests.campaign.store import RunFolder
from tests.kills.commands import Command, filled_in
from tests.kills.leftovers import elsewhere, processes
from tests.support.fake_aws import Endpoint

GONE_WITHIN_S = 5.0
LONGEST_NEXT_S = 240.0
MEASURED = frozenset({0, 1, 3})
"""Exit statuses of a run that was carried out: such short windows may be the generator's, or find too few answers."""

Place = tuple[type[Visit], int, str]
"""A visit's kind, round and cell: its place in the order of a run."""


@dataclass(frozen=True, kw_only=True)
class Unbroken:
    """A command that nobody killed."""

    order: Sequence[Place]
    """The order of its visits."""
    took_s: float


@dataclass(frozen=True, kw_only=True)
class Kill:
    """A kill, and everything that did not hold after it."""

    command: str
    after_s: float
    ended_before: bool
    """Whether the command had ended by itself before."""
    visits: int
    """The number of visits that it had made."""
    problems: tuple[str, ...]

    def __str__(self) -> str:
        when = "had ended" if self.ended_before else f"killed after {self.after_s:.2f} s"
        return (
            f"{self.command}, {when}, {self.visits} visits: {'; '.join(self.problems) or 'nothing left, nothing lost'}"
        )


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The place where commands run and are killed."""

    place: Path
    fake_aws: Endpoint | None

    def unbroken(self, command: Command) -> Unbroken:
        """Carry a command out as a whole, where it ends by itself and leaves records."""
        folder, began_s = self._fresh(command), time.monotonic()
        if folder is None:
            return Unbroken(order=[], took_s=command.longest_s)
        done = self._finish(command, folder.folder)
        assert done.returncode in MEASURED, f"{command.name} cannot be measured here: {done.stderr[-500:]}"
        return Unbroken(order=_places(folder.visits()), took_s=min(command.longest_s, time.monotonic() - began_s))

    def kill(self, command: Command, dice: random.Random, unbroken: Unbroken) -> Kill:
        """Kill a command at a random moment, run the next one, and say what does not hold."""
        folder, after_s = self._fresh(command), dice.uniform(0, unbroken.took_s)
        owner, ended_before = self._killed(command, after_s)
        before = [] if folder is None else _readable(folder)
        done = self._finish(command, self.place / "run")
        problems = [] if isinstance(before, list) else [before]
        if done.returncode not in MEASURED or "Traceback" in done.stderr:
            problems.append(f"the next command ended with status {done.returncode}: {done.stderr[-300:]}")
        left = _within(GONE_WITHIN_S, lambda: [*processes(self.place), *elsewhere(owner, self.place), *self._tasks()])
        problems += [f"left: {one}" for one in left]
        made = before if isinstance(before, list) else []
        if folder is not None and not problems:
            problems += _losses(folder, made, unbroken.order)
        return Kill(
            command=command.name,
            after_s=after_s,
            ended_before=ended_before,
            visits=len(made),
            problems=tuple(problems),
        )

    def _fresh(self, command: Command) -> RunFolder | None:
        shutil.rmtree(self.place, ignore_errors=True)
        (self.place / "tmp").mkdir(parents=True)
        return None if command.manifest is None else RunFolder.create(self.place / "run", command.manifest())

    def _killed(self, command: Command, after_s: float) -> tuple[str, bool]:
        """Start a command and kill it; return its identity, and whether it had ended before."""
        with subprocess.Popen(
            [sys.executable, "-m", "loadtests", *filled_in(command.words, self.place / "run")],
            cwd=ROOT,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            owner = owner_id(process.pid)
            try:
                process.wait(timeout=after_s)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            return owner, process.wait() != -signal.SIGKILL

    def _finish(self, command: Command, run: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "loadtests", *filled_in(command.next_words, run)],
            cwd=ROOT,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_NEXT_S,
            check=False,
        )

    def _environment(self) -> Mapping[str, str]:
        aws = {} if self.fake_aws is None else self.fake_aws.environment
        own = {VARIABLE: str(self.place / "run.lock"), "TMPDIR": str(self.place / "tmp")}
        return os.environ | aws | own

    def _tasks(self) -> list[str]:
        if self.fake_aws is None:
            return []
        ecs = self.fake_aws.ecs
        return [f"task {one}" for one in ecs.running] + [f"task definition {one}" for one in ecs.definitions]


def _places(visits: Sequence[Visit]) -> list[Place]:
    return [(type(one), one.round, one.cell) for one in visits]


def _readable(folder: RunFolder) -> list[Visit] | str:
    """Return the visits that are on disk, or why they cannot be read."""
    try:
        return folder.visits()
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is what is looked for
        return f"the visits cannot be read: {error!r}"


def _losses(folder: RunFolder, before: Sequence[Visit], order: Sequence[Place]) -> list[str]:
    """Return what a run that was killed and resumed lacks beside an unbroken one."""
    visits, problems = folder.visits(), []
    kept = folder.folder / "visits.damaged"
    if visits[: len(before)] != list(before) and not kept.exists():
        problems.append("visits that were on disk are not there any more")
    if _places(visits) != list(order):
        problems.append(f"the order of visits is {_places(visits)}, not {list(order)}")
    if not (folder.folder / "summary.json").is_file():
        problems.append("there is no summary")
    return problems


def _within(longest_s: float, look: Callable[[], list[str]]) -> list[str]:
    """Return what is still found after that time; look no longer than until nothing is."""
    deadline_s = time.monotonic() + longest_s
    while (found := look()) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return found
