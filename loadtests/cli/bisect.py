"""``make bisect``: the commit of a checkout that made its package slower, found by comparisons."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import DEFAULT
from common.cli.parameters import SizeParameters
from common.console import Terminal
from common.errors import BenchmarkError, FailedError, NotComparedError, SlowerError, UsageError
from common.packages.commits import REFERENCES, commit_of, commits_between, described
from common.records.load import LoadSpec
from common.records.run import Stopping
from common.records.summary import LimitDecision, Pair, Summary
from common.runtimes.candidates import Candidate, parse_runtime, require_local
from common.words import counted
from loadtests.analysis import outcome
from loadtests.analysis.bisection import (
    chance_of_error,
    comparisons_needed,
    limit_between,
    narrowed,
    next_position,
)
from loadtests.analysis.thresholds import COMPARISON_LOOKS, MARGIN
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.loop import Begin, conclude, start
from loadtests.campaign.manifest import RunIdentity
from loadtests.campaign.parameters import LoadParameters, RunParameters
from loadtests.campaign.plan import parse_stopping
from loadtests.campaign.resume import resume
from loadtests.campaign.store import RESULTS, RunFolder, is_run_folder
from loadtests.experiments.compare.experiment import Compare, begin_compare
from loadtests.experiments.compare.sides import Side

BUDGET = "4m"
LEAST = 0.01
"""A slowdown of less is not searched for."""
DIGITS = 12
Reference = Annotated[str, Parameter(help=f"{REFERENCES[:1].upper()}{REFERENCES[1:]}.")]


def bisect(
    *,
    a: Reference = "",
    b: Reference = "HEAD",
    checkout: Annotated[
        str,
        Parameter(help="[FRAMEWORK@]FOLDER: a clone of the package's source, and which framework if several use it."),
    ] = "",
    server: Annotated[str, Parameter(help="Name of the server, or default for the framework's own.")] = DEFAULT,
    runtime: Annotated[str, Parameter(help="process or docker.")] = Runtime.PROCESS,
    size: SizeParameters = SizeParameters(),
    load: LoadParameters = LoadParameters(),
    budget: Annotated[str, Parameter(help="Time for the windows of each comparison, such as 90s or 15m.")] = BUDGET,
) -> None:
    """Find the commit between A, which is fast, and B, which is slow, that made a package slower."""
    terminal = Terminal()
    kind = require_local(parse_runtime(runtime))
    framework, folder = _parse_checkout(checkout)
    most, rule = parse_stopping(rounds=None, budget=budget, looks=COMPARISON_LOOKS)
    search = Bisection(
        commits=_commits(folder, a, b),
        checkout=folder,
        named=f"{framework}@{folder}" if framework else str(folder),
        server=server,
        runtime=kind,
        size=size.parse(kind),
        load=load.parse(),
        rounds=most,
        stopping=rule,
        terminal=terminal,
    )
    conclude(search.carry_out(), terminal)


def _parse_checkout(text: str) -> tuple[str, Path]:
    """Return the framework that ``CHECKOUT=`` names, empty if none, and its folder; ``UsageError`` if there is none."""
    framework, _, path = ("", "", text) if text.startswith((".", "/", "~")) else text.partition("@")
    folder = Path(path).expanduser()
    if not path or not folder.is_dir():
        raise UsageError(f"CHECKOUT={text or '(empty)'} does not exist: must be a folder, or FRAMEWORK@ and a folder.")
    return framework, folder.resolve()


def _commits(checkout: Path, a: str, b: str) -> tuple[str, ...]:
    """Return the commit of ``A=`` and those after it, up to that of ``B=``; ``UsageError`` if there are none."""
    good, bad = commit_of(checkout, a), commit_of(checkout, b)
    after = commits_between(checkout, good, bad)
    if not after:
        raise UsageError(f"B={b} does not come after A={a} in {checkout}: must be a commit that was built on it.")
    return (good, *after)


@dataclass(frozen=True, kw_only=True)
class Bisection:
    """A search among the commits of a checkout.

    Each comparison is a run of ``make compare``, in a folder that follows from what is searched. So the same command
    goes on where an earlier one was interrupted.
    """

    commits: tuple[str, ...]
    """The fast one, and those after it up to the slow one, oldest first."""
    checkout: Path
    named: str
    """The checkout as a side of a comparison names it."""
    server: str
    runtime: Runtime
    size: Size
    load: LoadSpec
    rounds: int
    stopping: Stopping
    terminal: Terminal

    @property
    def last(self) -> int:
        """The position of the slow commit."""
        return len(self.commits) - 1

    @property
    def folder(self) -> Path:
        """The folder of its runs."""
        asked = (self.commits, self.named, self.server, self.runtime, self.size, self.load, self.stopping)
        digest = hashlib.sha256(repr(asked).encode()).hexdigest()[:DIGITS]
        return RESULTS / f"bisect-{self.commits[-1][:DIGITS]}-{digest}"

    def carry_out(self) -> list[str]:
        """Compare commits until the first slow one is known, and return what was found, in sentences.

        Raise ``FailedError`` if the last commit is not known to be slower than the first, or cannot be compared.
        """
        needed = counted(comparisons_needed(self.last), "comparison")
        self.terminal.say(f"bisect: {counted(self.last, 'commit')}, about {needed}")
        limit, found = self._limit(), dict[int, LimitDecision | None]()
        while (at := next_position(found, self.last)) is not None:
            fast, slow = narrowed(found, self.last)
            self.terminal.say(f"bisect: {counted(slow - fast, 'commit')} left; compares {self._described(at)}")
            found[at] = self._decision(at, limit)
        return self._sentences(found, limit)

    def _limit(self) -> float:
        """Return the slowdown that tells slow commits from fast ones, from a comparison of the first and the last."""
        pair = self._compared(self.last, LEAST)
        against = pair.against_limit
        if against is None or against.decision is not LimitDecision.SLOWER:
            seen = " ".join(outcome.sentences(pair, MARGIN))
            raise FailedError(f"there is no slowdown to search for: {seen} Name other commits, or a longer BUDGET=.")
        return limit_between(against.change)

    def _decision(self, at: int, limit: float) -> LimitDecision | None:
        """Return whether a commit is slower than the first by more than the limit; ``None`` if that is not known."""
        try:
            against = self._compared(at, limit).against_limit
        except NotComparedError as error:
            self.terminal.say(f"bisect: leaves out {self._described(at)}: {error}")
            return None
        return None if against is None else against.decision

    def _compared(self, at: int, limit: float) -> Pair:
        """Return the comparison of a commit with the first, which an earlier search may have made or begun.

        Raise ``NotComparedError`` if one of them cannot be built, or gives no valid number.
        """
        folder = RunFolder(folder=self.folder / f"{at}-{self.commits[at][:DIGITS]}")
        try:
            self._measure(at, limit, folder)
        except BenchmarkError:
            if not _is_complete(folder):
                raise
        experiment = experiment_of(folder.run())
        summary = experiment.summarise(folder.visits())
        failure = experiment.failure(summary)
        if failure is not None and not isinstance(failure, SlowerError):
            raise NotComparedError(str(failure)) from failure
        pair: Pair = summary.pairs[0]
        return pair

    def _measure(self, at: int, limit: float, folder: RunFolder) -> None:
        if not is_run_folder(folder.folder):
            start("compare", self._begin(at, limit), RunParameters(out=folder.folder), self.terminal)
        elif not _is_complete(folder):
            resume(str(folder.folder), "compare", experiment_of, self.terminal)

    def _begin(self, at: int, limit: float) -> Begin[Summary]:
        def begin(identity: RunIdentity) -> tuple[Compare, dict[str, Candidate]]:
            try:
                prepared = begin_compare(
                    self._side(0),
                    self._side(at),
                    server=self.server,
                    load=self.load,
                    size=self.size,
                    runtime=self.runtime,
                    rounds=self.rounds,
                    stopping=self.stopping,
                    fail_if_slower=limit,
                    comparisons=comparisons_needed(self.last),
                    messages=self.terminal.messages,
                )
                return prepared(identity)
            except BenchmarkError as error:
                raise NotComparedError(str(error)) from error

        return begin

    def _side(self, at: int) -> Side:
        return Side.parse(f"{self.named}@{self.commits[at][:DIGITS]}", "CHECKOUT")

    def _described(self, at: int) -> str:
        return described(self.checkout, self.commits[at]) or self.commits[at]

    def _sentences(self, found: Mapping[int, LimitDecision | None], limit: float) -> list[str]:
        """Return which commit made the package slower, or which may have, and how sure that is."""
        fast, slow = narrowed(found, self.last)
        first = f"the first commit that is slower than {self._described(0)} by more than {limit:.1%}"
        chance = f"The chance that this is wrong is at most {chance_of_error(found, self.last):.1%}."
        if slow - fast == 1:
            return [f"{self._described(slow)} is {first}.", chance]
        among = f"{counted(slow - fast, 'commit')} from {self._described(fast + 1)} to {self._described(slow)}"
        return [f"{first[:1].upper()}{first[1:]} is among the {among}; the others of these are undecided.", chance]


def _is_complete(folder: RunFolder) -> bool:
    return is_run_folder(folder.folder) and experiment_of(folder.run()).is_complete(folder.visits())
