"""``make compare``: two sides against each other, at once if the cores allow it, otherwise in turn.

A side is a stack, at a version or from a checkout, in an image, on a Python; or a finished run.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from typing_extensions import override

from common.aws.settings import FargateSettings
from common.catalog.frameworks import Framework, frameworks
from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import NAME_SYNTAX, Stack, StackName, images
from common.conformance.checking import conform_all, require_conforming
from common.errors import BenchmarkError, SlowerError, UsageError
from common.host.cores import split_cores
from common.packages import variants
from common.records.figure import Figure
from common.records.load import LoadSpec
from common.records.run import CompareRun, Design, LoadRun, Stopping
from common.records.schema import Visit
from common.records.summary import LimitDecision, Pair, Summary
from common.records.window import Window
from common.runtimes.candidates import Candidate, process_candidate
from common.words import one_of
from loadtests.analysis import outcome
from loadtests.analysis.across_runs import across_runs
from loadtests.campaign.manifest import RunIdentity, cells_of, run_fields, setup_for
from loadtests.campaign.plan import PlannedVisit
from loadtests.campaign.store import RunFolder, misfits_named, run_folder
from loadtests.experiments.loadtest.experiment import LoadTest, read_load_test, why_unfinished
from loadtests.experiments.loadtest.visit import measure_together
from loadtests.scenarios.workloads import scenario_for
from loadtests.targets.ceiling import with_ceiling

ACCEPTED = f"{NAME_SYNTAX}, ./FOLDER, or a finished run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a comparison, as the user named it."""

    text: str
    variable: str
    framework: str | None = None
    version: str | None = None
    server: str | None = None
    """Its name, followed by ``@`` and a version unless that is the pinned one."""
    source: Path | None = None
    image: str | None = None
    python: str | None = None
    run: RunFolder | None = None
    """A finished load test; the other fields are then unset."""

    @classmethod
    def parse(cls, text: str, variable: str) -> "Side":
        """Return the side that ``A=`` or ``B=`` names; ``UsageError`` if it is unknown."""
        if (folder := run_folder(text)) is not None:
            return cls(text=text, variable=variable, run=_load_test(folder, f"{variable}={text}"))
        if text.startswith((".", "/", "~")):
            return cls(text=text, variable=variable, source=_folder(text, variable))
        name = StackName.parse(text, variable=variable, accepted=ACCEPTED)
        framework, _, at = name.framework.partition("@")
        path = at if "/" in at else None
        return cls(
            text=text,
            variable=variable,
            framework=one_of(framework, frameworks(), variable=variable, more=("a folder such as ./mine", "a run")),
            version=None if path else at or None,
            server=name.server,
            source=None if path is None else _folder(path, variable),
            image=name.image,
            python=name.python,
        )

    def needs_docker(self) -> bool:
        """Return whether it names an image."""
        return self.image is not None

    def candidate(self, other: "Side", runtime: Runtime, server: str) -> Candidate:
        """Return the candidate of this side; unset fields default to the other side's, then to the usual ones.

        Missing wheels and locks are created first.
        """
        framework = self._framework(other)
        chosen = self.server or (other.server if self.source else None) or server
        (stack, *more) = variants.named_stacks(framework.name, chosen, {framework.name: framework})
        if more:
            raise UsageError(f"{self.variable}={self.text} selects {1 + len(more)} stacks. Name one server.")
        return self._candidate(stack, other, runtime)

    def _framework(self, other: "Side") -> Framework:
        if self.source is not None and variants.is_framework_folder(self.source):
            return variants.framework_from_folder(self.source)
        if self.source is not None:
            return variants.framework_from_checkout(frameworks()[self._framework_of_source(other)], self.source)
        framework = frameworks()[self.framework or ""]
        return framework if self.version is None else variants.framework_at_version(framework, self.version)

    def _framework_of_source(self, other: "Side") -> str:
        """Return the framework whose package a checkout holds: the one named, the other side's, or the only one."""
        assert self.source is not None
        project = variants.project_name(self.source)
        fitting = [name for name, one in frameworks().items() if one.package and project in {None, one.package}]
        for name in (self.framework, other.framework):
            if name in fitting:
                return name
        if len(fitting) == 1:
            return fitting[0]
        package = project or "a project without a name"
        raise UsageError(
            f"{self.variable}={self.text} holds {package}, which is not a framework here: must be a folder like those "
            f"under frameworks/, or {NAME_SYNTAX}."
        )

    def _candidate(self, stack: Stack, other: "Side", runtime: Runtime) -> Candidate:
        python = self.python or (other.python if self.source else None)
        if runtime is Runtime.PROCESS:
            return process_candidate(stack, python, label=self.text)
        if self.source is not None and not variants.is_framework_folder(self.source):
            raise UsageError(f"{self.variable}={self.text} is a checkout, which needs RUNTIME=process.")
        image = images()[self.image or other.image or "slim"]
        return Candidate(stack=stack, image=image, python=python or DEFAULT_PYTHON, label=self.text)


def both_candidates(a: Side, b: Side, runtime: Runtime, server: str) -> tuple[Candidate, Candidate]:
    """Return the two candidates of a comparison, under different names."""
    first, second = a.candidate(b, runtime, server), b.candidate(a, runtime, server)
    return first, second if second.name != first.name else replace(second, label=f"{second.name}#2")


def _load_test(folder: RunFolder, named: str) -> RunFolder:
    run = folder.run()
    if type(run) is not LoadRun:
        kind = run.__struct_config__.tag
        raise UsageError(f"{named} was written by make {kind}: must be a finished load test or a stack.")
    if (reason := why_unfinished(folder)) is not None:
        raise UsageError(f"{named} is not a finished load test: {reason}")
    return folder


def _folder(text: str, variable: str) -> Path:
    folder = Path(os.path.expanduser(text)).resolve()  # noqa: PTH111 -- leaves an unknown user as it is
    if not os.path.isdir(folder):  # noqa: PTH112 -- false for impossible names too
        raise UsageError(f"{variable}={text} does not exist: must be {ACCEPTED}.")
    if not any((folder / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise UsageError(f"{variable}={text} holds neither pyproject.toml nor setup.py: must be {ACCEPTED}.")
    return folder


class Compare(LoadTest[CompareRun]):
    """A comparison of two sides. It gives no figures of the stacks, since two servers slow each other down."""

    command = "compare"
    run_type = CompareRun
    why_not_resumable = None  # a folder of the user's own is recorded as A= or B=

    @override
    def visit(self, batch: Sequence[PlannedVisit], subjects: Mapping[str, Candidate]) -> Sequence[Visit]:
        if self.run.design is Design.DUET:
            windows = [planned.record(Window, self.run.id) for planned in batch]
            return measure_together(windows, self.run.setup, subjects)
        return super().visit(batch, subjects)

    @override
    def subjects(self, fargate: FargateSettings | None = None) -> Mapping[str, Candidate]:
        if len(self.run.sides) != len(self.run.cells):
            raise UsageError(f"run {self.run.id} does not record what A= and B= were. Start a new run.")
        a, b = (Side.parse(text, variable) for text, variable in zip(self.run.sides, "AB", strict=True))
        service = scenario_for(self.run.setup.load).service
        chosen = both_candidates(a, b, self.run.runtime, self.run.server_asked)
        return {one.name: one.serving(service=service) for one in chosen}

    @override
    def figures(self, summary: Summary) -> Iterable[Figure]:
        return ()

    @override
    def failure(self, summary: Summary) -> BenchmarkError | None:
        return super().failure(summary) or slower_than_allowed(summary.pairs)

    @override
    def warnings(self, summary: Summary) -> Iterable[str]:
        return undecided_limits(summary.pairs)

    @override
    def conclusions(self, summary: Summary) -> Iterable[str]:
        return [sentence for pair in summary.pairs for sentence in outcome.sentences(pair, self.run.stopping.margin)]


def begin_compare(
    a: Side,
    b: Side,
    *,
    server: str,
    load: LoadSpec,
    size: Size,
    runtime: Runtime,
    rounds: int,
    stopping: Stopping,
    fail_if_slower: float | None,
    messages: Console,
) -> Callable[[RunIdentity], tuple[Compare, dict[str, Candidate]]]:
    """Return the function that prepares a comparison: both sides are built, and must conform to the contract."""

    def begin(identity: RunIdentity) -> tuple[Compare, dict[str, Candidate]]:
        with messages.status("preparing environments and locks"):
            chosen = both_candidates(a, b, runtime, server)
        candidates = [one.serving(service=scenario_for(load).service) for one in chosen]
        outcomes = conform_all(candidates, messages)
        if missing := [candidate for candidate in candidates if candidate.name not in outcomes]:
            raise UsageError(f"{missing[0].name} is not available: {missing[0].unavailable}.")
        require_conforming(outcomes)
        run = CompareRun(
            **run_fields(identity, runtime=runtime, rounds=rounds),
            design=Design.ALTERNATION if split_cores(size.vcpu).shared else Design.DUET,
            stopping=stopping,
            setup=with_ceiling(setup_for(load, size, runtime)),
            cells=cells_of(candidates, outcomes),
            sides=[a.text, b.text],
            server_asked=server,
            fail_if_slower=fail_if_slower,
        )
        return Compare(run), {candidate.name: candidate for candidate in candidates}

    return begin


def compare_runs(
    a: RunFolder, b: RunFolder, margin: float, limit: float | None = None
) -> tuple[tuple[Pair, ...], list[str]]:
    """Return the pair of every cell that two finished load tests have, and why cells are left out.

    ``UsageError`` as ``across_runs``.
    """
    first, second = read_load_test(a), read_load_test(b)
    with misfits_named(b.folder):
        return across_runs(first, second, margin, limit)


def slower_than_allowed(pairs: Iterable[Pair]) -> SlowerError | None:
    """Return an error if a ``b`` was found to be slower than its ``a`` by more than the limit; it names the slowest."""
    slower = {
        pair.b: pair.against_limit
        for pair in pairs
        if pair.against_limit is not None and pair.against_limit.decision is LimitDecision.SLOWER
    }
    if not slower:
        return None
    worst, found = min(slower.items(), key=lambda one: one[1].change.estimate)
    seen = f"{-found.change.estimate:.1%}, at least {-(found.change.high or 0.0):.1%}"
    return SlowerError(f"{worst} is slower by {seen}: more than FAIL_IF_SLOWER={found.limit:.1%} allows.")


def undecided_limits(pairs: Iterable[Pair]) -> list[str]:
    """Return a sentence for each pair of which a limit was asked and not decided."""
    return [
        f"FAIL_IF_SLOWER={pair.against_limit.limit:.1%} is undecided for {pair.b}, which therefore does not fail. "
        "Give more rounds, or a longer BUDGET=."
        for pair in pairs
        if pair.against_limit is not None and pair.is_undecided
    ]
